import Foundation
import Glibc
import ImageCore
import ImageWorker

extension Format {
    /// When something was. On a terminal as people read it, in the local zone (`TZ`) and with its age:
    /// `2026-01-31 13:00:00 CET (2 min ago)`. Elsewhere RFC 3339 in UTC, which programs can compare.
    static func moment(_ moment: Timestamp) -> String {
        guard Terminal.isInteractive else { return moment.rfc3339 }
        return "\(local(moment)) (\(ago(SystemTime().now() - moment)))"
    }

    /// The same of a moment that is written already, as in views for `--json`.
    static func moment(_ rfc3339: String) -> String {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        guard Terminal.isInteractive, let date = try? style.parse(rfc3339) else { return rfc3339 }
        return moment(Timestamp(microseconds: Int64(date.timeIntervalSince1970 * 1_000_000)))
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

    private static func local(_ moment: Timestamp) -> String {
        var seconds = time_t(moment.microseconds / 1_000_000)
        var fields = tm()
        guard localtime_r(&seconds, &fields) != nil else { return moment.rfc3339 }
        var text = [CChar](repeating: 0, count: 64)
        let length = strftime(&text, text.count, "%Y-%m-%d %H:%M:%S %Z", &fields)
        return String(decoding: text[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
