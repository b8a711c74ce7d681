import Foundation

/// A file that holds one secret.
enum SecretFile {
    struct Unreadable: Error {
        var reason: String
    }

    /// No URL and no password is longer.
    private static let limit = 16 << 10

    /// - Returns: the text without the newline that editors put behind it.
    static func read(_ path: String) throws(Unreadable) -> String {
        guard let file = FileHandle(forReadingAtPath: path) else { throw Unreadable(reason: "cannot read \(path)") }
        defer { try? file.close() }
        guard let bytes = try? file.read(upToCount: limit + 1) else { throw Unreadable(reason: "\(path) is empty") }
        guard bytes.count <= limit, var text = String(validating: bytes, as: UTF8.self) else {
            throw Unreadable(reason: "\(path) is no text of at most \(limit / 1024) KiB")
        }
        while text.hasSuffix("\n") || text.hasSuffix("\r\n") || text.hasSuffix("\r") { text.removeLast() }
        guard !text.isEmpty else { throw Unreadable(reason: "\(path) is empty") }
        return text
    }
}
