import Foundation
import ImageCore
import Logging

/// One fact, one line, one JSON object: `time`, `level`, `logger`, `message`, and each piece of metadata under its own name.
struct JSONLog: LogHandler {
    let label: String
    /// Gets whole lines, each with its newline.
    let write: @Sendable (String) -> Void
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(label: String, write: @escaping @Sendable (String) -> Void) {
        self.label = label
        self.write = write
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line: [String: Field] = [:]
        for source in [metadataProvider?.get(), metadata, event.metadata] {
            for (key, value) in source ?? [:] { line[key] = Field(value) }
        }
        if let error = event.error { line["error"] = .text("\(error)") }
        // Last, so that no metadata can stand in their place.
        line["time"] = .text(Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
        line["level"] = .text(event.level.rawValue)
        line["logger"] = .text(label)
        line["message"] = .text("\(event.message)")
        write(CanonicalJSON.text(line) + "\n")
    }

    private enum Field: Encodable {
        case text(String)
        case list([Field])
        case object([String: Field])

        init(_ value: Logger.Metadata.Value) {
            switch value {
            case .string(let text): self = .text(text)
            case .stringConvertible(let value): self = .text("\(value)")
            case .array(let values): self = .list(values.map(Field.init))
            case .dictionary(let values): self = .object(values.mapValues(Field.init))
            }
        }

        func encode(to encoder: any Encoder) throws {
            switch self {
            case .text(let text): try text.encode(to: encoder)
            case .list(let fields): try fields.encode(to: encoder)
            case .object(let fields): try fields.encode(to: encoder)
            }
        }
    }
}

/// How logs are written.
enum LogFormat: String, CaseIterable {
    case text
    case json
}
