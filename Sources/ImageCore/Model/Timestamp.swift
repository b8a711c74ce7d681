/// A moment, in microseconds since 1970-01-01T00:00:00Z. The core never asks what time it is: it is told.
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
        let sum = moment.microseconds.addingReportingOverflow(duration.microseconds)
        return Timestamp(microseconds: sum.overflow ? .max : sum.partialValue)
    }

    public static func - (left: Self, right: Self) -> Duration {
        let difference = left.microseconds.subtractingReportingOverflow(right.microseconds)
        return .microseconds(difference.overflow ? .max : difference.partialValue)
    }
}

extension Duration {
    /// Whole microseconds, saturating.
    public var microseconds: Int64 {
        let (seconds, attoseconds) = components
        let scaled = seconds.multipliedReportingOverflow(by: 1_000_000)
        guard !scaled.overflow else { return seconds < 0 ? .min : .max }
        let sum = scaled.partialValue.addingReportingOverflow(attoseconds / 1_000_000_000_000)
        return sum.overflow ? .max : sum.partialValue
    }
}
