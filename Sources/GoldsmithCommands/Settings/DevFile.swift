import Foundation

/// What a running `goldsmith dev` tells other commands: written once everything is ready, removed when it ends.
/// Readable by its owner only, since the broker's URL holds a password.
struct DevFile: Codable, Equatable {
    struct Processes: Codable, Equatable {
        var dev: Int32
        var broker: Int32?
        var workers: [Int32]
    }

    var data: String
    var amqpUrl: String
    var storeUrl: String
    /// Absent when the broker is not its own.
    var managementUrl: String?
    var prefix: String
    /// Absent without hosts.
    var hosts: String?
    var locations: String
    /// Absent with several.
    var driver: String?
    /// Absent with one.
    var drivers: String?
    /// Absent when the driver is another.
    var libvirtUri: String?
    /// Absent with one libvirt at most.
    var libvirtHosts: String?
    var libvirtDisks: String?
    /// Absent when the driver is another, or they are not set.
    var openstackCloudsFile: String?
    var openstackCloud: String?
    var openstackRegion: String?
    var openstackNetwork: String?
    var openstackFlavor: String?
    var pids: Processes
    var logs: String
    /// Where the console is; the token for it is in `console-token`.
    var consoleUrl: String

    static func path(in data: String) -> String { data + "/dev.json" }

    func write() throws(CommandFailure) {
        let path = Self.path(in: data)
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            let bytes = try encoder.encode(self)
            let draft = path + ".new"
            try? FileManager.default.removeItem(atPath: draft)
            let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
            guard FileManager.default.createFile(atPath: draft, contents: bytes, attributes: attributes) else {
                throw CocoaError(.fileWriteUnknown)
            }
            guard rename(draft, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
        } catch {
            throw CommandFailure(
                .failed,
                "cannot write \(path): \(error.localizedDescription)",
                advice: "is there room, and may this user write there? --data names another folder"
            )
        }
    }

    static func read(in data: String) -> DevFile? {
        FileManager.default.contents(atPath: path(in: data)).flatMap {
            try? JSONDecoder().decode(DevFile.self, from: $0)
        }
    }

    static func isMissing(in data: String) -> Bool { !FileManager.default.fileExists(atPath: path(in: data)) }

    static func remove(in data: String) { try? FileManager.default.removeItem(atPath: path(in: data)) }
}
