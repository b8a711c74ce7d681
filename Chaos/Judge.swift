import Foundation
import ImageCore
import SystemPackage

/// Looks at everything from outside and says what is wrong. The store says what should be, the file system what is,
/// and upstream's notes what was answered and announced.
struct Judge: Sendable {
    let stage: Stage
    let upstream: Upstream
    let witness: Witness

    func verdict() async throws -> Verdict {
        var verdict = Verdict()
        let seen = witness.seen
        let confirmed = Dictionary(upstream.confirmed.map { ($0.correlation, $0) }) { first, _ in first }
        verdict.requests = upstream.askedCount
        verdict.confirmed = confirmed.count
        verdict.resent = upstream.resent
        verdict.duplicates = .init(answers: seen.duplicateAnswers, events: seen.duplicateEvents)
        verdict.contradictions = seen.contradictions.count + seen.histories.count { $0.value.isContradictory }
        verdict.unanswered = confirmed.keys.count { seen.answers[$0] == nil }
        for installation in stage.installations {
            let images = try await installation.store.images(ImageQuery(limit: .max))
            let asks = confirmed.values.filter { $0.prefix == installation.prefix }
            try await judgeRequests(asks, images, seen, installation, &verdict)
            judgeImages(images, seen, &verdict)
            try judgeFiles(images, installation, &verdict)
            try await judgeQuota(images, installation, &verdict)
            verdict.locks += try await installation.store.locks().count
            for image in images { verdict.leases += try await installation.store.leases(of: image.id).count }
            verdict.unsent += try await installation.store.unsent(
                before: Timestamp(microseconds: .max),
                after: Timestamp(microseconds: .max),
                limit: 10_000
            ).rows
            for queue in ["parked", "unrouted"] {
                // A queue that cannot be looked at is not known to be empty.
                verdict.parked += await stage.broker.messages(in: "\(installation.prefix).\(queue)") ?? 1
            }
            // What workers have taken off these queues for a human.
            verdict.parked += try await installation.store.deadLetters(
                DeadLetterQuery(kinds: [.parked, .unrouted], states: [], limit: .max)
            ).count
            verdict.crashes += installation.pool.crashes
        }
        return verdict
    }

    private func judgeRequests(
        _ asks: [Ask],
        _ images: [Image],
        _ seen: Witness.Seen,
        _ installation: Installation,
        _ verdict: inout Verdict
    ) async throws {
        let known = Set(images.map(\.id))
        let requests = Set(images.map { RequestIdentity(owner: $0.owner, requestID: $0.requestID) })
        verdict.twins += images.count - requests.count
        for ask in asks {
            guard let owner = Owner(ask.owner), let id = RequestID(ask.requestID) else { continue }
            let identity = RequestIdentity(owner: owner, requestID: id)
            guard let answer = try await installation.store.answer(to: identity)?.answer else {
                verdict.lost += 1
                continue
            }
            if answer.rejection != nil { verdict.rejected += 1 }
            if !ask.expectation.allows(answer) { verdict.unexpected += 1 }
            if let told = seen.answers[ask.correlation], told != Witness.Answer(answer) { verdict.misreported += 1 }
            if answer.rejection == nil, answer.imageId.map({ known.contains($0) }) != true { verdict.lost += 1 }
        }
    }

    private func judgeImages(_ images: [Image], _ seen: Witness.Seen, _ verdict: inout Verdict) {
        for image in images {
            switch image.status {
            case .available: verdict.available += 1
            case .error: verdict.error += 1
            // No one asks for a deletion here.
            case .deleting, .deleted: verdict.stuck += 1
            case .pending, .replicating: break
            }
            // What an attempt has left besides what was adopted is still to be deleted.
            let isTidy = image.ledger.allSatisfy(\.isAdopted)
            if !image.status.isEnd || (image.status == .error && image.cleanUp != .done) || !isTidy {
                verdict.stuck += 1
            }
            let history = seen.histories[image.id.text] ?? Witness.History()
            // An end that was not announced at all is a missing event.
            if let end = history.lastEnd, end != image.status.rawValue.lowercased() { verdict.misreported += 1 }
            let told = history.sequences
            verdict.missingEvents += Int(image.sequence) - told.count { (1...max(1, image.sequence)).contains($0) }
        }
    }

    /// What is in the directories must be exactly what the images' ledgers say.
    private func judgeFiles(_ images: [Image], _ installation: Installation, _ verdict: inout Verdict) throws {
        let owned = images.flatMap(\.ledger).map(\.resource)
        var found: Set<String> = []
        for (kind, folder) in installation.directories {
            let names = try Installation.names(in: folder)
            found.formUnion(names)
            let orphans = names.subtracting(owned.filter { $0.kind == kind }.map(\.id.text)).count
            if kind == .snapshot { verdict.orphanedSnapshots += orphans } else { verdict.orphanedFiles += orphans }
        }
        let whole = images.filter { $0.status == .available }.flatMap(\.ledger).filter(\.isAdopted)
        verdict.missingFiles += whole.count { !found.contains($0.resource.id.text) }
    }

    private func judgeQuota(_ images: [Image], _ installation: Installation, _ verdict: inout Verdict) async throws {
        for (owner, images) in Dictionary(grouping: images, by: \.owner) {
            var expected = QuotaUse.none
            for image in images where image.status != .error {
                expected.images += image.plan.quota.images
                expected.snapshots += image.plan.quota.snapshots
            }
            if try await installation.store.quota(of: owner).used != expected { verdict.quota += 1 }
        }
    }
}

extension Witness.Answer {
    /// The answer that upstream gets for a recorded one.
    init(_ answer: Answer) {
        self.init(
            status: answer.status.rawValue,
            imageId: answer.imageId?.text,
            code: answer.code?.rawValue
        )
    }
}
