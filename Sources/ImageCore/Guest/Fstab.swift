/// A line of `/etc/fstab` that mounts something, read as libmount reads it: fields between blanks, octal escapes,
/// options optional. Comments and lines that libmount refuses are none.
public struct FstabLine: Equatable, Sendable {
    /// From 1.
    public var number: Int
    /// What is mounted: `UUID=…`, `/dev/vdb1`, `server:/export`.
    public var source: String
    public var target: String
    public var type: String
    public var options: [String]
    /// Where in the file a further option goes, and what must stand before it there.
    var insertion: (at: Int, prefix: String)
    /// The whole line in the file, without its line feed.
    var range: Range<Int>

    public static func == (left: Self, right: Self) -> Bool {
        left.number == right.number && left.range == right.range && left.insertion.at == right.insertion.at
            && left.source == right.source && left.target == right.target && left.type == right.type
            && left.options == right.options
    }
}

/// `/etc/fstab`, parsed from whatever bytes a guest has there. Takes time in proportion to their number.
public struct Fstab: Equatable, Sendable {
    public let bytes: [UInt8]
    /// Every line of the file without its line feed, mount or not.
    let lineRanges: [Range<Int>]
    public let mounts: [FstabLine]

    public init(_ bytes: [UInt8]) {
        self.bytes = bytes
        lineRanges = Self.lines(of: bytes)
        mounts = lineRanges.enumerated().compactMap { Self.parse($0.offset + 1, $0.element, in: bytes) }
    }

    static func lines(of bytes: [UInt8]) -> [Range<Int>] {
        var lines: [Range<Int>] = []
        var start = 0
        for index in bytes.indices where bytes[index] == UInt8(ascii: "\n") {
            lines.append(start..<index)
            start = index + 1
        }
        if start < bytes.count { lines.append(start..<bytes.count) }
        return lines
    }

    private static func parse(_ number: Int, _ range: Range<Int>, in bytes: [UInt8]) -> FstabLine? {
        let fields = fields(of: bytes, in: range, limit: 4)
        guard fields.count >= 3, bytes[fields[0].lowerBound] != UInt8(ascii: "#") else { return nil }
        let options = fields.count == 4 ? unescaped(bytes[fields[3]]) : ""
        return FstabLine(
            number: number,
            source: unescaped(bytes[fields[0]]),
            target: unescaped(bytes[fields[1]]),
            type: unescaped(bytes[fields[2]]),
            options: options.split(separator: ",").map(String.init),
            insertion: fields.count == 4 ? (fields[3].upperBound, ",") : (fields[2].upperBound, " defaults,"),
            range: range
        )
    }

    /// What stands between blanks, for files that are read line by line as libmount reads them.
    static func fields(of bytes: [UInt8], in range: Range<Int>, limit: Int) -> [Range<Int>] {
        // For libmount a line is a C string, and a carriage return before the line feed belongs to the line's end.
        var end = bytes[range].firstIndex(of: 0) ?? range.upperBound
        if end == range.upperBound, end > range.lowerBound, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        var fields: [Range<Int>] = []
        var index = range.lowerBound
        while index < end, fields.count < limit {
            if isBlank(bytes[index]) {
                index += 1
                continue
            }
            let field = index..<(bytes[index..<end].firstIndex(where: isBlank) ?? end)
            fields.append(field)
            index = field.upperBound
        }
        return fields
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    /// `\040` is a space: three octal digits stand for a byte.
    private static func unescaped(_ field: ArraySlice<UInt8>) -> String {
        var plain: [UInt8] = []
        var index = field.startIndex
        while index < field.endIndex {
            if field[index] == UInt8(ascii: "\\"), index + 3 < field.endIndex {
                let digits = field[(index + 1)...(index + 3)].map { Int($0) - 0x30 }
                let value = digits.reduce(0) { $0 * 8 + $1 }
                if digits.allSatisfy({ (0...7).contains($0) }), value < 256 {
                    plain.append(UInt8(value))
                    index += 4
                    continue
                }
            }
            plain.append(field[index])
            index += 1
        }
        return String(decoding: plain, as: UTF8.self)
    }
}

extension FstabLine {
    /// Whether a start of the guest waits for this line, and gives up or stops without it.
    var isRequired: Bool { isTaken(unless: "nofail", or: "fail") && isTaken(unless: "noauto", or: "auto") && isLocal }

    /// Of two options that say the opposite, systemd takes the last.
    private func isTaken(unless no: String, or yes: String) -> Bool {
        options.last { $0 == no || $0 == yes } != no
    }

    /// An automount is set up whether or not its mount works, and whether or not it is mounted at boot.
    var isAutomount: Bool { options.contains { $0 == "x-systemd.automount" || $0 == "comment=systemd.automount" } }

    var isForgiven: Bool { !isTaken(unless: "nofail", or: "fail") }

    /// `_netdev` and network file systems hold up remote-fs.target, which nothing waits for.
    var isLocal: Bool {
        let network = ["nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "sshfs", "fuse.sshfs", "9p", "virtiofs"]
        return !options.contains("_netdev") && !network.contains(type)
    }

    var isSwap: Bool { type == "swap" }

    /// The values of an option that may be given several times.
    func values(of option: String) -> [String] {
        options.filter { $0.hasPrefix(option + "=") }.map { String($0.dropFirst(option.count + 1)) }
    }
}

enum MountSource {
    /// Whether it is a disk or a part of one: a device, or a tag that finds one.
    static func isDisk(_ source: String) -> Bool {
        if DeviceNames.tag(source) != nil { return true }
        guard source.hasPrefix("/dev/") else { return false }
        let made = ["loop", "zram", "ram", "shm", "pts", "mqueue", "hugepages", "null", "root"]
        let name = source.dropFirst("/dev/".count)
        return !made.contains { name == $0 || (name.hasPrefix($0) && name.dropFirst($0.count).allSatisfy(\.isNumber)) }
    }
}

/// The passwords of network shares, which people do write into `/etc/fstab`.
enum Secrets {
    /// `password=…`, `passwd=…`, `pass=…`, `password2=…`: what follows up to the end of the option is left out.
    static func masked(_ line: String) -> String {
        guard line.contains("pass") else { return line }
        var shown = ""
        var option = ""
        for character in line + " " {
            guard character == "," || character.isWhitespace else {
                option.append(character)
                continue
            }
            if option.hasPrefix("pass"), let equals = option.firstIndex(of: "=") {
                shown += option[...equals] + "…"
            } else {
                shown += option
            }
            shown.append(character)
            option = ""
        }
        return String(shown.dropLast())
    }
}
