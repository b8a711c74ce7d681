import Foundation
import OTLPTracing

/// A collector that takes spans by OTLP over HTTP, as the settings name it.
struct OTLPReceiver: SpanReceiver {
    /// What a setting of it must be.
    static let sentence = "http://host:4318 or https://…, without a user, a password, or a query"
    private static let longestAnswer = 65_536

    /// Where spans go.
    let url: String
    private let headers: [(name: String, value: String)]

    /// - Parameters:
    ///   - endpoint: as OpenTelemetry's `OTEL_EXPORTER_OTLP_ENDPOINT`: `/v1/traces` is added.
    ///   - headers: as its `OTEL_EXPORTER_OTLP_HEADERS`: `name=value,…`, values percent-encoded.
    init?(_ endpoint: String, headers: String?) {
        guard let parts = URLComponents(string: endpoint), parts.scheme == "http" || parts.scheme == "https",
            parts.host?.isEmpty == false, parts.user == nil, parts.password == nil, parts.query == nil,
            parts.fragment == nil, endpoint.allSatisfy({ $0.isASCII && !$0.isWhitespace }),
            let headers = Self.headers(headers ?? "")
        else { return nil }
        url = (endpoint.hasSuffix("/") ? String(endpoint.dropLast()) : endpoint) + "/v1/traces"
        self.headers = headers
    }

    private static func headers(_ text: String) -> [(name: String, value: String)]? {
        var headers: [(name: String, value: String)] = []
        for pair in text.split(separator: ",") {
            let parts = pair.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard parts.count == 2, let value = parts[1].removingPercentEncoding,
                parts[0].allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }),
                value.unicodeScalars.allSatisfy({ (" "..."~").contains($0) })
            else { return nil }
            headers.append((parts[0], value))
        }
        return headers
    }

    func send(_ message: String) async throws -> ReceiverAnswer {
        let text = try await Curl.run(
            [("url", url)] + headers.map { ("header", "\($0.name): \($0.value)") }
                + [("write-out", "\n%{http_code} %header{retry-after}")],
            posting: message,
            limit: Self.longestAnswer
        )
        // The last line is what was asked for beside the answer itself.
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let facts = (lines.last ?? "").split(separator: " ")
        guard let status = facts.first.flatMap({ Int($0) }) else {
            throw Curl.Failure(description: "the answer has no status")
        }
        return ReceiverAnswer(
            status: status,
            // A date is not looked at: exporters pause by themselves.
            retryAfter: facts.dropFirst().first.flatMap { Int($0) }.map { .seconds($0) },
            body: lines.dropLast().joined(separator: "\n")
        )
    }
}

/// Never with the headers: logging the services of a process would log their passwords.
extension OTLPReceiver: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    var description: String { "OTLPReceiver(\(url))" }
    var debugDescription: String { description }
    var customMirror: Mirror { Mirror(self, children: ["url": url]) }
}
