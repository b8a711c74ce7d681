/// A guest device name, `/dev/vda` … `/dev/vdbm`.
///
/// `/dev/vda` is the system disk. Data disks are `/dev/vdb` … `/dev/vdz` (25), `/dev/vdaa` … `/dev/vdaz` (26) and
/// `/dev/vdba` … `/dev/vdbm` (13): 64 names. Held as its position, so that names order as the guest orders them.
public struct DeviceName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// 0 for `/dev/vda`, 1 for `/dev/vdb`, … 64 for `/dev/vdbm`.
    public let position: Int

    public static let system = DeviceName(known: 0)
    public static let lastPosition = 64
    public static let sentence = "use /dev/vda for the system disk, /dev/vdb to /dev/vdbm for data disks"

    private init(known position: Int) { self.position = position }

    public init?(position: Int) {
        guard (0...Self.lastPosition).contains(position) else { return nil }
        self.position = position
    }

    /// `nil` unless `text` is one of the 65 full names, lower case, with its `/dev/`.
    public init?(_ text: String) {
        let prefix = "/dev/vd"
        guard text.hasPrefix(prefix) else { return nil }
        let letters = Array(text.utf8.dropFirst(prefix.utf8.count))
        guard (1...2).contains(letters.count), letters.allSatisfy({ (97...122).contains($0) }) else { return nil }
        let value = letters.reduce(0) { $0 * 26 + Int($1 - 97) + 1 } - 1
        guard value <= Self.lastPosition else { return nil }
        position = value
    }

    public var isSystem: Bool { position == 0 }

    /// The letters after `/dev/`, for example `vdb`: fit for file names and identifiers.
    public var shortName: String {
        let letter = { (index: Int) in String(UnicodeScalar(UInt8(97 + index))) }
        return position < 26
            ? "vd" + letter(position) : "vd" + letter(position / 26 - 1) + letter(position % 26)
    }

    public var description: String { "/dev/" + shortName }

    public static func < (left: Self, right: Self) -> Bool { left.position < right.position }
}

extension DeviceName: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = DeviceName(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "device name: \(Self.sentence)")
        }
        self = value
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
