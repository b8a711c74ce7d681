/// Why a cloud did not do what it was asked.
public struct OpenStackError: Error, Equatable, Sendable {
    public enum Kind: Equatable, Sendable {
        /// No connection: nothing was sent.
        case unreachable
        /// The request was sent, and its answer never came. Whether it was done is unknown: look before asking again.
        case lostAnswer
        /// The catalog does not say where a service is.
        case unknownService
        /// The credential is not accepted: 401, with a new token too.
        case unknownCredential
        /// Not without other rights: 403.
        case denied
        case notFound
        /// The object is not in a state for it, or there is one of that name: 409.
        case conflict
        /// A quota: 413, or 403 that says so. Waiting does not help.
        case overLimit
        /// Too many requests at this moment: 429.
        case throttled
        /// The request is not one that this cloud takes: 400 and other 4xx.
        case refused
        /// 5xx. Whether it was done is unknown.
        case server
        /// An answer that cannot be read.
        case malformed
        /// The caller refused to send the end of a content.
        case contentRefused
        /// The caller stopped waiting.
        case cancelled
    }

    public var kind: Kind
    /// HTTP's status; 0 without an answer.
    public var status: Int
    /// In the cloud's words, if they were any: at most 500 characters of its JSON message. HTML is not repeated.
    public var message: String

    public init(_ kind: Kind, status: Int = 0, _ message: String) {
        (self.kind, self.status, self.message) = (kind, status, message)
    }

    /// Whether it is unknown if the request was done.
    public var leavesDoubt: Bool { kind == .lostAnswer || kind == .server || kind == .malformed }

    init(status: Int, body: [UInt8]) {
        self.status = status
        let said = ErrorText.message(in: body)
        message = said ?? "HTTP status \(status)"
        kind =
            switch status {
            case 401: .unknownCredential
            case 403: said?.hasPrefix("Quota exceeded") == true ? .overLimit : .denied
            case 404, 410: .notFound
            case 409: .conflict
            case 413: .overLimit
            case 429: .throttled
            case 500...: .server
            default: .refused
            }
    }
}

/// What stands in an error's body.
enum ErrorText {
    private static let limit = 500

    /// - Returns: `nil` when it is no JSON with a message. Glance answers in HTML.
    static func message(in body: [UInt8]) -> String? {
        guard let object = try? JSONText.decode([String: Entry].self, from: body),
            let text = object.sorted(by: { $0.key < $1.key }).lazy.compactMap(\.value.message).first
        else { return nil }
        let plain = text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) }
        return String(String(plain).prefix(limit))
    }

    /// `{"itemNotFound": {"message": …}}`, `{"error": {"message": …}}` or `{"message": …}`.
    private struct Entry: Decodable {
        var message: String?

        private enum Key: String, CodingKey { case message }

        init(from decoder: any Decoder) throws {
            if let text = try? decoder.singleValueContainer().decode(String.self) {
                message = decoder.codingPath.last?.stringValue == "message" ? text : nil
            } else {
                message = try? decoder.container(keyedBy: Key.self).decode(String.self, forKey: .message)
            }
        }
    }
}
