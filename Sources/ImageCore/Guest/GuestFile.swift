import FoundationEssentials

/// One file of a guest, as far as it was read.
public enum GuestFile: Equatable, Sendable {
    /// Files that matter here have a few kilobytes. What is larger is not read.
    public static let sizeLimit = 256 << 10

    case absent
    case bytes([UInt8])
    /// Why not, in a few words.
    case unread(String)

    /// What is at a path of the guest, its links followed.
    public enum Kind: Equatable, Sendable {
        case nothing
        case file(size: Int64)
        case folder
        case characterDevice
        /// A block device, a pipe, a socket.
        case other
    }

    /// Whether the program that reads this file passes over everything there but a regular file with something in it:
    /// udev, systemd, netplan and NetworkManager do. People mask such files by folders, by links to `/dev/null`, by
    /// device nodes and by empty files, and then nothing is there.
    public static func isMaskable(_ path: String) -> Bool { path != GuestFacts.fstabPath }

    /// How to treat a path, before anything is read.
    /// - Returns: `nil` when it should be read.
    public static func unlessReadable(_ path: String, _ kind: Kind) -> GuestFile? {
        switch kind {
        case .nothing, .file(size: 0): .absent
        case .file(let size) where size > Int64(sizeLimit):
            .unread("it has \(size) bytes, and more than \(sizeLimit) are not read")
        case .file: nil
        // What reads /etc/fstab reads nothing from /dev/null.
        case .characterDevice: .absent
        case .folder, .other: isMaskable(path) ? .absent : .unread("it is not a regular file")
        }
    }
}

extension GuestFile: Codable {
    private enum CodingKeys: String, CodingKey {
        case base64
        case unread
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if let data = try container.decodeIfPresent(Data.self, forKey: .base64) {
            self = .bytes(Array(data))
        } else if let reason = try container.decodeIfPresent(String.self, forKey: .unread) {
            self = .unread(reason)
        } else {
            self = .absent
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .absent: break
        case .bytes(let bytes): try container.encode(Data(bytes), forKey: .base64)
        case .unread(let reason): try container.encode(reason, forKey: .unread)
        }
    }
}
