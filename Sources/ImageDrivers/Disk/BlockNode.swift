/// Names a disk to QEMU with nothing left to guess: driver, file and backing are spelled out, so no format is probed,
/// no file name can be an option, a protocol or a URL, and no header can add a file that has not been looked at.
indirect enum BlockNode: Equatable, Sendable {
    case raw(path: String)
    /// A block device with a raw disk on it.
    case device(path: String)
    case qcow2(path: String, dataFile: String?, backing: BlockNode?)
    /// A qcow2 file that this program has just made, whose header spells out what is below it.
    case layer(path: String)

    /// The `json:{…}` form, which `qemu-img` takes wherever it takes a file name.
    var argument: String {
        "json:" + json
    }

    /// QEMU's name for the topmost file's format.
    var format: String {
        switch self {
        case .raw, .device: "raw"
        case .qcow2, .layer: "qcow2"
        }
    }

    /// Each file by itself, from the topmost down.
    var files: [BlockNode] {
        switch self {
        case .raw, .device, .layer: [self]
        case .qcow2(let path, let dataFile, let backing):
            [.qcow2(path: path, dataFile: dataFile, backing: nil)] + (backing?.files ?? [])
        }
    }

    /// The same file over another disk. What never has a backing file stays as it is.
    func over(_ disk: BlockNode?) -> BlockNode {
        switch self {
        case .raw, .device, .layer: self
        case .qcow2(let path, let dataFile, _): .qcow2(path: path, dataFile: dataFile, backing: disk)
        }
    }

    /// The same disk with other names for its files.
    func renamed<Failure: Error>(_ name: (String) throws(Failure) -> String) throws(Failure) -> BlockNode {
        switch self {
        case .raw(let path): .raw(path: try name(path))
        case .device(let path): .device(path: try name(path))
        case .layer(let path): .layer(path: try name(path))
        case .qcow2(let path, let dataFile, let backing):
            .qcow2(
                path: try name(path),
                dataFile: try dataFile.map(name),
                backing: try backing?.renamed(name)
            )
        }
    }

    private var json: String {
        switch self {
        case .raw(let path):
            return #"{"driver":"raw","file":\#(Self.file(path))}"#
        case .device(let path):
            return #"{"driver":"raw","file":{"driver":"host_device","filename":\#(Self.quoted(path))}}"#
        case .layer(let path):
            return #"{"driver":"qcow2","file":\#(Self.file(path))}"#
        case .qcow2(let path, let dataFile, let backing):
            let data = dataFile.map { #","data-file":\#(Self.file($0))"# } ?? ""
            return #"{"driver":"qcow2","file":\#(Self.file(path))\#(data),"backing":\#(backing?.json ?? "null")}"#
        }
    }

    private static func file(_ path: String) -> String {
        #"{"driver":"file","filename":\#(quoted(path))}"#
    }

    /// A JSON string by RFC 8259: the quotation mark, the backslash and control characters are escaped.
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\" + String(scalar)
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
