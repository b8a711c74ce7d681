import Foundation

/// How numbers, sizes and times stand in texts for people.
public enum Format {
    /// All 64 digits make every line of a table wrap on a terminal, where a look suffices; `--json` has them too.
    public static func checksum(_ text: String) -> String { Terminal.isInteractive ? text.prefix(16) + "…" : text }

    /// What a row of a listing has room for of a sentence; one thing's own page and `--json` have all of it.
    public static func brief(_ sentence: String) -> String {
        sentence.count > briefLength ? sentence.prefix(briefLength - 1) + "…" : sentence
    }
    private static let briefLength = 80

    /// 1234 → `1.2 s`.
    public static func seconds(_ milliseconds: Int64) -> String { "\(oneDigit(Double(milliseconds) / 1_000)) s" }

    /// 75 s → `1 min 15 s`, to the second.
    public static func span(_ span: Duration) -> String {
        let seconds = max(0, span.components.seconds)
        return switch seconds {
        case ..<60: "\(seconds) s"
        case ..<3600: "\(seconds / 60) min \(seconds % 60) s"
        default: "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        }
    }

    /// With one digit below the point.
    public static func rate(_ rate: Double) -> String { oneDigit(rate) }

    /// How long ago, in its largest unit: `40s`, `5m`, `3h`, `2d`.
    public static func age(_ age: Duration) -> String {
        let seconds = max(0, age.components.seconds)
        return switch seconds {
        case ..<60: "\(seconds)s"
        case ..<3600: "\(seconds / 60)m"
        case ..<86_400: "\(seconds / 3600)h"
        default: "\(seconds / 86_400)d"
        }
    }

    /// `30s`, `5m`, `2h`, `3d`.
    public static func duration(_ text: String) -> Duration? {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let unit = text.last.flatMap({ units[$0] }), let number = Double(text.dropLast()),
            (0...1_000_000).contains(number)
        else { return nil }
        return .seconds(number * unit)
    }

    private static func oneDigit(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}
