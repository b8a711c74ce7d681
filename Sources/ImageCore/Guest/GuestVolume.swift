/// Something that holds, or could hold, a file system or swap space: a disk, a partition, a logical volume, an array.
public struct GuestVolume: Codable, Equatable, Sendable {
    /// No bootable guest has more than this; the rest is not listed.
    public static let countLimit = 256

    /// As the inspector names it: `/dev/sda1`, `/dev/vg/root`. The system disk is its first disk.
    public var device: String
    /// For example `ext4`, `swap`, `crypto_LUKS`, `LVM2_member`.
    public var type: String?
    public var uuid: String?
    public var label: String?
    public var partUUID: String?
    public var partLabel: String?
    /// Whether only its name is there: what it lies on is not on the system disk.
    public var isMissing: Bool
    /// What LVM says of it, if it is LVM's.
    public var logical: Logical?
    /// What it is a part of.
    public var membership: Membership?

    /// A logical volume of LVM.
    public struct Logical: Codable, Equatable, Sendable {
        /// 32 characters, without hyphens.
        public var groupUUID: String?
        public var uuid: String?
        /// Whether its volume group is short of a physical volume. Then systemd's guests activate nothing of it by
        /// themselves; what the root is on is activated by name.
        public var isGroupPartial: Bool
        public var isSnapshot: Bool

        public init(
            groupUUID: String? = nil,
            uuid: String? = nil,
            isGroupPartial: Bool = false,
            isSnapshot: Bool = false
        ) {
            self.groupUUID = groupUUID
            self.uuid = uuid
            self.isGroupPartial = isGroupPartial
            self.isSnapshot = isSnapshot
        }
    }

    public enum Membership: Codable, Equatable, Sendable {
        case array(ArrayMember)
        /// A file system of btrfs over so many devices.
        case btrfs(devices: Int)
    }

    public init(
        device: String,
        type: String? = nil,
        uuid: String? = nil,
        label: String? = nil,
        partUUID: String? = nil,
        partLabel: String? = nil,
        isMissing: Bool = false,
        logical: Logical? = nil,
        membership: Membership? = nil
    ) {
        self.device = device
        self.type = type
        self.uuid = uuid
        self.label = label
        self.partUUID = partUUID
        self.partLabel = partLabel
        self.isMissing = isMissing
        self.logical = logical
        self.membership = membership
    }

    /// blkid's `export` format puts a backslash before what a shell would take apart, and writes other bytes as `\xe3`.
    public static func plain(blkid value: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(value.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let next = rest.first else {
                bytes.append(byte)
                continue
            }
            let code = rest.dropFirst().prefix(2)
            if next == UInt8(ascii: "x"), code.count == 2,
                let value = UInt8(String(decoding: code, as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(next)
                rest = rest.dropFirst()
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// What the superblock of an array of Linux's (md) says on each of its members.
public struct ArrayMember: Codable, Equatable, Sendable {
    /// 32 hexadecimal digits.
    public var uuid: String
    /// `host:name`, or empty.
    public var name: String
    /// 0, 1, 4, 5, 6, 10; -1 for linear.
    public var level: Int
    public var devices: Int
    /// Its place among the devices; `nil` for a spare.
    public var role: Int?

    public init(uuid: String, name: String = "", level: Int, devices: Int, role: Int?) {
        self.uuid = uuid
        self.name = name
        self.level = level
        self.devices = devices
        self.role = role
    }

    public static let superblockSize = 4096

    /// Where the superblock lies on a device of so many bytes, by the version that blkid names.
    public static func superblockOffset(version: String, deviceSize: Int64) -> Int64? {
        switch version {
        case "1.0": deviceSize >= 16 << 10 ? ((deviceSize / 512 - 16) & ~7) * 512 : nil
        case "1.1": 0
        case "1.2": 4096
        default: nil
        }
    }

    /// - Parameter bytes: a superblock of version 1.
    public init?(superblock bytes: [UInt8]) {
        guard bytes.count >= 256, Bytes.number(bytes, 0, 4) == 0xa92b_4efc, Bytes.number(bytes, 4, 4) == 1 else {
            return nil
        }
        uuid = Bytes.hexadecimal(bytes[16..<32])
        name = PlainText.word(String(decoding: bytes[32..<64].prefix { $0 != 0 }, as: UTF8.self))
        level = Int(Int32(truncatingIfNeeded: Bytes.number(bytes, 72, 4)))
        devices = Int(Bytes.number(bytes, 92, 4))
        let place = 256 + 2 * Int(Bytes.number(bytes, 160, 4))
        guard (1...4096).contains(devices), place + 2 <= bytes.count else { return nil }
        let number = Int(Bytes.number(bytes, place, 2))
        role = number < devices ? number : nil
    }

    /// Of how many devices a file system of btrfs consists.
    /// - Parameter bytes: 4096 bytes of a device from its byte 65536.
    public static func btrfsDevices(superblock bytes: [UInt8]) -> Int? {
        guard bytes.count >= 0x90, bytes[0x40..<0x48].elementsEqual("_BHRfS_M".utf8) else { return nil }
        let count = Bytes.number(bytes, 0x88, 8)
        return (1...4096).contains(count) ? Int(count) : nil
    }
}

private enum Bytes {
    /// Little-endian.
    static func number(_ bytes: [UInt8], _ start: Int, _ count: Int) -> UInt64 {
        bytes[start..<(start + count)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    static func hexadecimal(_ bytes: ArraySlice<UInt8>) -> String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}
