/// Where in a trace a request was made, as W3C Trace Context says it: an image keeps its request's, and every message of
/// it carries it on unchanged, as a participant that adds no span of its own does.
public struct TraceContext: Codable, Equatable, Sendable {
    /// For example `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`.
    public let parent: String
    /// What vendors have added; at most 512 characters.
    public let state: String?

    public static let parentHeader = "traceparent"
    public static let stateHeader = "tracestate"

    /// `nil` when `parent` is malformed, which is to be ignored and not to be refused. A malformed `state` is left out.
    ///
    /// Of a newer version only what this one knows is kept, as its own.
    public init?(parent: String, state: String?) {
        let characters = Array(parent.utf8)
        guard characters.count >= 55 else { return nil }
        let known = String(decoding: characters[..<55], as: UTF8.self)
        let parts = known.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.count) == [2, 32, 16, 2], parts.allSatisfy({ $0.allSatisfy(Self.isDigit) }), parts[0] != "ff",
            parts[1].contains(where: { $0 != "0" }), parts[2].contains(where: { $0 != "0" })
        else { return nil }
        let isNewer = parts[0] != "00"
        guard characters.count == 55 || isNewer && characters[55] == UInt8(ascii: "-") else { return nil }
        self.parent = isNewer ? "00" + known.dropFirst(2) : known
        let isState = state.map { text in
            !text.isEmpty && text.utf8.count <= 512 && text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
        }
        self.state = isState == true ? state : nil
    }

    /// What all spans of one trace share; 32 hexadecimal digits.
    public var traceID: String { String(parent.dropFirst(3).prefix(32)) }

    private static func isDigit(_ character: Character) -> Bool { "0123456789abcdef".contains(character) }
}
