import Foundation

/// How a run has ended. Printed as one line of JSON.
struct Verdict: Encodable, Sendable {
    // What was asked, as upstream sees it.
    /// Requests made: creations and cancellations, each counted once.
    var requests = 0
    var confirmed = 0
    /// How often a request was sent again, because its confirm was lost.
    var resent = 0
    var rejected = 0
    var available = 0
    var error = 0

    // What must be nothing.
    /// Confirmed requests without a recorded answer, or with an accepted image that does not exist.
    var lost = 0
    /// Confirmed requests without an answer at upstream.
    var unanswered = 0
    /// Requests that got two different answers, and images that were announced as both Available and Error.
    var contradictions = 0
    /// Requests whose recorded answer is not one of the expected ones.
    var unexpected = 0
    /// Images beyond the first of one request.
    var twins = 0
    /// Requests that were answered differently than recorded, and images whose last announced end is not their
    /// status.
    var misreported = 0
    /// Images without an end, or whose clean-up has not ended.
    var stuck = 0
    /// Numbered events that no one received.
    var missingEvents = 0
    var orphanedSnapshots = 0
    /// Image files, replicas and half-written files that belong to no image.
    var orphanedFiles = 0
    /// Missing parts of Available images.
    var missingFiles = 0
    /// Parts of Available images that are not what was captured, or not equal to their source.
    var damagedFiles = 0
    var locks = 0
    /// Leases on jobs that no worker works on any more.
    var leases = 0
    /// Owners whose quota usage differs from what their images hold.
    var quota = 0
    /// Messages that wait in the outbox.
    var unsent = 0
    /// Messages that were put away for a human.
    var parked = 0
    /// Workers that ended by a trap.
    var crashes = 0

    // What may be.
    struct Duplicates: Encodable, Sendable {
        var answers = 0
        var events = 0
    }
    /// Seen by upstream, which tells them by their numbers.
    var duplicates = Duplicates()
    /// Images whose files were read again and compared with the disks they come from.
    var compared = 0
    var faults: [String: Int] = [:]
    var store = ""
    var nodes = 1
    var seed: UInt64 = 0
    var seconds = 0

    /// The first thing that is wrong, by name; `nil` when all is well.
    var complaint: String? {
        let wrong = [
            ("requests not confirmed", requests - confirmed), ("lost", lost), ("stuck", stuck),
            ("unanswered", unanswered), ("contradictions", contradictions), ("unexpected answers", unexpected),
            ("twins", twins), ("misreported", misreported), ("missing events", missingEvents),
            ("orphaned snapshots", orphanedSnapshots), ("orphaned files", orphanedFiles),
            ("missing files", missingFiles), ("damaged files", damagedFiles), ("locks", locks),
            ("leases", leases), ("quota", quota), ("unsent", unsent), ("parked", parked), ("crashes", crashes),
        ].filter { $0.1 != 0 }
        return wrong.isEmpty ? nil : wrong.map { "\($0.0): \($0.1)" }.joined(separator: ", ")
    }

    func line() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
