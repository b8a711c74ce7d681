import Foundation
import Glibc
import ImageCore
import ImageWorker
import TerminalText

extension Format {
    /// When something was. On a terminal as people read it, in the local zone (`TZ`) and with its age:
    /// `2026-01-31 13:00:00 CET (2 min ago)`. Elsewhere RFC 3339 in UTC, which programs can compare.
    static func moment(_ moment: Timestamp) -> String {
        guard Terminal.isInteractive else { return moment.rfc3339 }
        return "\(local(moment)) (\(ago(SystemTime().now() - moment)))"
    }

    /// The same as a cell of a table, which needs its age only.
    static func cell(_ moment: Timestamp) -> Table.Cell {
        Table.Cell(Self.moment(moment), short: ago(SystemTime().now() - moment))
    }

    /// The same of a moment that is written already, as in views for `--json`.
    static func moment(_ rfc3339: String) -> String {
        guard Terminal.isInteractive, let parsed = parse(rfc3339) else { return rfc3339 }
        return moment(parsed)
    }

    /// Moments in order, each in as little as tells them apart: `13:00:00`, or `01-31 13:00:00` when they are of several
    /// days. Elsewhere than on a terminal as they are.
    /// - Returns: those, and the day and zone that all of them share.
    static func clocks(_ moments: [String]) -> (clocks: [String], day: String?) {
        guard Terminal.isInteractive else { return (moments, nil) }
        let parsed = moments.map(parse)
        let days = Set(parsed.compactMap { $0.map { local($0, "%Y-%m-%d %Z") } })
        let style = days.count > 1 ? "%m-%d %H:%M:%S" : "%H:%M:%S"
        let clocks = zip(moments, parsed).map { text, moment in moment.map { local($0, style) } ?? text }
        return (clocks, days.count == 1 ? days.first : nil)
    }

    /// When something will go on: `at 2026-01-31 13:00:00 CET (in 9 min 12 s)`, or `now`.
    static func due(_ rfc3339: String) -> String {
        guard let moment = parse(rfc3339) else { return "at \(rfc3339)" }
        let left = moment - SystemTime().now()
        guard left > .zero else { return "now" }
        return Terminal.isInteractive ? "at \(local(moment)) (in \(span(left)))" : "at \(rfc3339)"
    }

    static func parse(_ rfc3339: String) -> Timestamp? {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        return (try? style.parse(rfc3339)).map {
            Timestamp(microseconds: Int64($0.timeIntervalSince1970 * 1_000_000))
        }
    }

    /// `40 s ago`, `2 min ago`, `3 h ago`, `1 day ago`. Clocks differ: what lies a little ahead is now.
    static func ago(_ age: Duration) -> String {
        let seconds = age.components.seconds
        return switch seconds {
        case ..<1: "now"
        case ..<60: "\(seconds) s ago"
        case ..<3600: "\(seconds / 60) min ago"
        case ..<86_400: "\(seconds / 3600) h ago"
        case ..<172_800: "1 day ago"
        default: "\(seconds / 86_400) days ago"
        }
    }

    private static func local(_ moment: Timestamp, _ style: String = "%Y-%m-%d %H:%M:%S %Z") -> String {
        var seconds = time_t(moment.microseconds / 1_000_000)
        var fields = tm()
        guard localtime_r(&seconds, &fields) != nil else { return moment.rfc3339 }
        var text = [CChar](repeating: 0, count: 64)
        let length = strftime(&text, text.count, style, &fields)
        return String(decoding: text[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
