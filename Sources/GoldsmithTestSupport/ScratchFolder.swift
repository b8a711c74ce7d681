import Foundation

/// A folder for one test's files, gone with it.
public final class ScratchFolder: Sendable {
    public let path: String

    /// In memory if the machine has such a place: thousands of durable commits then take seconds, not minutes.
    public init() throws {
        let memory = "/dev/shm"
        let parent = access(memory, W_OK) == 0 ? memory : FileManager.default.temporaryDirectory.path
        path = parent + "/goldsmith-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    public func file(_ name: String) -> String { path + "/" + name }

    public func write(_ text: String, to name: String) -> Bool {
        FileManager.default.createFile(atPath: file(name), contents: Data(text.utf8))
    }
}
