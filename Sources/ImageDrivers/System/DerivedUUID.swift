import Crypto

/// A UUID that follows from a name, so that every worker and every try gives a thing the same one.
package enum DerivedUUID {
    /// - Returns: a UUID of version 8 (RFC 9562), whose bits are free to choose: here of the name's SHA-256.
    package static func text(of name: String) -> String {
        var bytes = Array(SHA256.hash(data: Array(name.utf8)).prefix(16))
        bytes[6] = bytes[6] & 0x0f | 0x80
        bytes[8] = bytes[8] & 0x3f | 0x80
        let digits = Array(Hexadecimal.text(bytes))
        let parts = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32]
        return parts.map { String(digits[$0]) }.joined(separator: "-")
    }
}
