import FoundationEssentials
import Testing

@testable import ImageCore

/// Times and quotas at their edges.
struct QuantityTests {
    private static let earliest = Timestamp(microseconds: .min)
    private static let latest = Timestamp(microseconds: .max)

    @Test("Adding to a moment stops at the ends of time")
    func sums() {
        #expect(Sample.now + .seconds(1) == Timestamp(microseconds: Sample.now.microseconds + 1_000_000))
        #expect(Self.latest + .microseconds(1) == Self.latest)
        #expect(Sample.now + .seconds(Int64.max) == Self.latest)
        #expect(Self.earliest + .microseconds(-1) == Self.earliest)
        #expect(Self.earliest + .seconds(Int64.min) == Self.earliest)
    }

    @Test("The time between two moments stops at the ends of time")
    func differences() {
        #expect((Sample.now + .seconds(2)) - Sample.now == .seconds(2))
        #expect(Sample.now - (Sample.now + .seconds(2)) == .seconds(-2))
        #expect(Self.latest - Self.earliest == .microseconds(Int64.max))
        #expect(Self.earliest - Self.latest == .microseconds(Int64.min))
    }

    @Test(
        "A duration counts whole microseconds, and stops at the ends",
        arguments: [
            (Duration.zero, Int64(0)), (.nanoseconds(999), 0), (.nanoseconds(1_999), 1), (.nanoseconds(-1_999), -1),
            (.seconds(1), 1_000_000), (.seconds(Int64.max), .max), (.seconds(Int64.min), .min),
            (.microseconds(Int64.max), .max), (.microseconds(Int64.max) + .microseconds(1), .max),
            (.microseconds(Int64.min), .min), (.microseconds(Int64.min) - .microseconds(1), .min),
        ]
    )
    func microseconds(duration: Duration, expected: Int64) { #expect(duration.microseconds == expected) }

    @Test(
        "A moment is written in RFC 3339, in UTC, to the millisecond",
        arguments: [
            (Int64(0), "1970-01-01T00:00:00.000Z"), (1_000, "1970-01-01T00:00:00.001Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (-1_000_000, "1969-12-31T23:59:59.000Z"),
            (1_769_860_800_250_000, "2026-01-31T12:00:00.250Z"), (1_769_860_800_007_000, "2026-01-31T12:00:00.007Z"),
            (1_709_164_800_000_000, "2024-02-29T00:00:00.000Z"), (253_402_300_799_000_000, "9999-12-31T23:59:59.000Z"),
        ]
    )
    func rfc3339(microseconds: Int64, text: String) { #expect(Timestamp(microseconds: microseconds).rfc3339 == text) }

    @Test("Every millisecond is written as itself", arguments: 0..<4)
    func everyMillisecond(_ quarter: Int64) {
        for millisecond in quarter * 250..<(quarter + 1) * 250 {
            let written = Timestamp(microseconds: 1_769_860_800_000_000 + millisecond * 1_000 + 999).rfc3339
            let digits = String(1_000 + millisecond).dropFirst()
            #expect(written == "2026-01-31T12:00:00.\(digits)Z")
        }
    }

    @Test("Every day of eight centuries is written as Foundation writes it", arguments: 0..<8)
    func everyDay(_ century: Int64) {
        for day in century * 36_525 - 100_000..<(century + 1) * 36_525 - 100_000 {
            let seconds = day * 86_400 + (day * 7919 % 86_400 + 86_400) % 86_400
            let known = Date(timeIntervalSince1970: Double(seconds)).formatted(Date.ISO8601FormatStyle()).dropLast()
            #expect(Timestamp(microseconds: seconds * 1_000_000).rfc3339 == known + ".000Z")
        }
    }

    @Test("The ends of time can be written too", arguments: [Int64.min, .max])
    func endsOfTime(_ microseconds: Int64) { #expect(Timestamp(microseconds: microseconds).rfc3339.hasSuffix("Z")) }

    @Test(
        "A quota's last place can be taken, and no more",
        arguments: [
            // used, wanted, refused field; nil when it fits
            (QuotaUse(images: 0, snapshots: 0), QuotaUse(images: 1, snapshots: 0), nil),
            (QuotaUse(images: 4, snapshots: 14), QuotaUse(images: 1, snapshots: 1), nil),
            (QuotaUse(images: 5, snapshots: 0), QuotaUse(images: 1, snapshots: 0), "images"),
            (QuotaUse(images: 5, snapshots: 15), QuotaUse(images: 1, snapshots: 1), "images"),
            (QuotaUse(images: 0, snapshots: 15), QuotaUse(images: 1, snapshots: 1), "snapshots"),
            (QuotaUse(images: 0, snapshots: 14), QuotaUse(images: 1, snapshots: 2), "snapshots"),
            (QuotaUse(images: 0, snapshots: 15), QuotaUse(images: 1, snapshots: 0), nil),
        ]
    )
    func quotas(used: QuotaUse, wanted: QuotaUse, short: String?) {
        let refusal = QuotaLimits.standard.refusal(of: wanted, beside: used)
        #expect((refusal != nil) == (short != nil))
        guard let refusal, let short else { return }
        #expect(refusal.code == .quotaExceeded)
        #expect(refusal.message.contains(" \(short) are taken"))
        #expect(refusal.field == (short == "snapshots" ? "dataDisks" : nil))
    }

    @Test("A quota of nothing refuses everything")
    func nothing() {
        let one = QuotaUse(images: 1, snapshots: 0)
        #expect(QuotaLimits(images: 0, snapshots: 0).refusal(of: one, beside: .none) != nil)
        #expect(QuotaLimits(images: -1, snapshots: 5).refusal(of: one, beside: .none) != nil)
    }
}
