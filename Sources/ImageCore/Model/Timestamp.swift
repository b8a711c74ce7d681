/// A moment, in microseconds since 1970-01-01T00:00:00Z. Time is an input of the core, which never reads a clock.
public struct Timestamp: Hashable, Comparable, Codable, Sendable {
    public var microseconds: Int64

    public init(microseconds: Int64) { self.microseconds = microseconds }

    public init(from decoder: any Decoder) throws {
        microseconds = try decoder.singleValueContainer().decode(Int64.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(microseconds)
    }

    public static func < (left: Self, right: Self) -> Bool { left.microseconds < right.microseconds }

    /// Saturates instead of trapping: a duration may come from configuration.
    public static func + (moment: Self, duration: Duration) -> Self {
        let (sum, overflow) = moment.microseconds.addingReportingOverflow(duration.microseconds)
        return Timestamp(microseconds: overflow ? (moment.microseconds < 0 ? .min : .max) : sum)
    }

    public static func - (left: Self, right: Self) -> Duration {
        let (difference, overflow) = left.microseconds.subtractingReportingOverflow(right.microseconds)
        return .microseconds(overflow ? (left < right ? .min : .max) : difference)
    }
}

extension Duration {
    /// Whole microseconds, saturating.
    public var microseconds: Int64 {
        let (seconds, attoseconds) = components
        let limit: Int64 = seconds < 0 ? .min : .max
        let (scaled, isTooLarge) = seconds.multipliedReportingOverflow(by: 1_000_000)
        guard !isTooLarge else { return limit }
        let (sum, overflow) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000_000)
        return overflow ? limit : sum
    }
}
