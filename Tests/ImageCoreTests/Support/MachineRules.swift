@testable import ImageCore

/// What must hold in every state, and of every transition, whatever came in whatever order.
///
/// Broken rules come back as sentences; asking the test library hundreds of thousands of times would take minutes.
enum MachineRules {
    static func broken(by transition: Transition, of event: Event, from before: Image, to after: Image) -> [String] {
        var broken = brokenRules(in: after)
        let require = { (rule: String, holds: Bool) in if !holds { broken.append(rule) } }

        require("status \(before.status) never becomes \(after.status)", isStep(from: before.status, to: after.status))
        let lines = transition.effects.compactMap(\.line)
        require(
            "every line of the history has the next number",
            lines.map(\.sequence) == Array((before.sequence + 1)..<(after.sequence + 1))
        )
        require(
            "a new status is announced once, an old one never",
            lines.compactMap(\.kind.announcedStatus) == (before.status == after.status ? [] : [after.status])
        )
        require(
            "locks are released exactly when capturing ends",
            transition.effects.count { $0 == .releaseLocks }
                == (before.status == .pending && after.status != .pending ? 1 : 0)
        )
        require(
            "quota is released once, whole, when nothing is left",
            transition.effects.compactMap(\.releasedQuota) == (before.quota == after.quota ? [] : [before.plan.quota])
        )
        require(
            "the index of shares follows who the image is shared with",
            transition.effects.compactMap(\.indexedShares)
                == (before.references.sharedWith == after.references.sharedWith ? [] : [after.references.sharedWith])
        )
        require(
            "a dead letter is recorded when a job puts the image in Error, once, and never else",
            transition.effects.compactMap(\.recordedDeadLetter) == deadLetters(from: before, to: after)
        )
        if before.status != .available, after.status == .available, let terms = after.plan.bootProof,
            terms.mode == .require
        {
            let verdict = after.bootProof?.verdict
            require(
                "an image that must boot becomes Available only when it has booted",
                verdict == .proven || verdict == .notProven && terms.unproven == .available
            )
        }
        if case .proving(let location) = event, transition.isMoved {
            let attempts = [before, after].map { $0.jobs[.bootProof(location)]?.attempt ?? 0 }
            require("another proof counts on", attempts[0] < attempts[1])
        }
        if after.bootProof != before.bootProof, before.status == .available {
            require("an Available image stays Available, whatever a proof shows", after.status == .available)
        }
        require("what was cleaned stays cleaned", after.cleaned.starts(with: before.cleaned))
        if case .began(let job, _, _, _) = event, transition.isMoved {
            require("a fencing number is given once", !before.ledger.contains { $0.fence == after.fence })
            require("an attempt holds the fencing number it was given", after.jobs[job]?.fence == after.fence)
            require(
                "what an attempt may create is in the ledger before it begins",
                !job.creates || after.ledger.contains { $0.job == job && $0.fence == after.fence }
            )
        }
        if transition.isMoved {
            require("what became of an attempt is what its job says", transition.outcome == outcome(of: event, after))
        }
        if case .ignored = transition {
            require("an ignored event changes nothing", before.ignoringExpectations == after.ignoringExpectations)
            require("an ignored event only repeats messages", transition.effects.allSatisfy(\.isMessage))
        }
        return broken
    }

    private static func outcome(of event: Event, _ after: Image) -> AttemptOutcome? {
        switch event {
        case .succeeded(let job, _, _): after.jobs[job]?.phase == .failed ? .failed : .done
        // A proof that is given up is done: nothing is proven.
        case .failed(let job, _, _, _):
            after.jobs[job]?.phase == .failed || job.step == .bootProof && after.jobs[job]?.phase == .done
                ? .failed : .retried
        case .interrupted: .interrupted
        default: nil
        }
    }

    /// Those that a change of status leaves; a cancelled image has nothing to judge.
    private static func deadLetters(from before: Image, to after: Image) -> [DeadLetter] {
        guard before.status != .error, after.status == .error, after.failure?.job != nil else { return [] }
        return DeadLetter(ofFailed: after).map { [$0] } ?? []
    }

    static func brokenRules(in image: Image) -> [String] {
        var broken: [String] = []
        let require = { (rule: String, holds: Bool) in if !holds { broken.append(rule) } }

        if image.status != .pending && image.status != .error || image.isDone(image.plan.captureJobs) {
            require("a captured disk is adopted, once", holdsOutputs(of: image.plan.captureJobs, in: image))
        }
        if image.status == .replicating || image.status == .available {
            require("nothing is replicated before all is captured", image.isDone(image.plan.captureJobs))
        }
        if image.status == .available {
            require("Available means every replica is verified", holdsOutputs(of: image.plan.replicateJobs, in: image))
            require("an available image lists every disk", image.captures.count == image.plan.disks.count)
            require("an available image lists every replica", image.replicas.count == image.plan.locations.count)
            require(
                "a proof of an Available image fails nothing, itself included",
                image.jobs.allSatisfy { $0.key.step != .bootProof || $0.value.phase != .failed }
            )
        }
        require(
            "one proof at a time",
            image.jobs.count { $0.key.step == .bootProof && $0.value.phase == .waiting } <= 1
        )
        for case (.bootProof(let location), let state) in image.jobs where state.phase == .waiting {
            require(
                "a machine is started only from a verified replica",
                image.jobs[.replicate(location)]?.phase == .done
            )
        }
        for case (.replicate(let location), let state) in image.jobs where state.phase == .waiting {
            let adopted = Set(image.ledger.filter(\.isAdopted).map(\.resource.id))
            require(
                "a replica is copied only from captures and verified replicas",
                image.sources(for: location).allSatisfy {
                    image.jobs[.replicate($0.location)]?.phase == .done && adopted.contains($0.resource.id)
                }
            )
        }
        if image.plan.bootProof?.mode != .require {
            require("a proof that is only reported fails nothing", image.failure?.job?.step != .bootProof)
        }

        var openCleanUps: Set<ResourceID> = []
        for case (.cleanUp(let resource), let state) in image.jobs where state.phase != .done {
            openCleanUps.insert(resource)
        }
        let ledger = Set(image.ledger.map(\.resource.id))
        require("no two attempts share a resource", ledger.count == image.ledger.count)
        if image.status == .error {
            require("in Error, what is being deleted is exactly the ledger", openCleanUps == ledger)
        } else {
            let spare = image.ledger.filter { !$0.isAdopted && image.jobs[$0.job]?.phase == .done }
            require("until Error, only superseded output is deleted", openCleanUps == Set(spare.map(\.resource.id)))
            require("until Error, nothing adopted was deleted", image.cleaned.allSatisfy { !image.uses($0) })
        }
        require("Error, and only Error, has a reason", (image.failure != nil) == (image.status == .error))
        require(
            "quota is held until nothing is left",
            image.quota == (image.status == .error && image.ledger.isEmpty ? .none : image.plan.quota)
        )
        let open = image.jobs.filter { job, state in
            state.phase == .waiting || state.phase == .failed && !image.status.isEnd && job.step != .cleanUp
        }
        require("somebody wakes up while anything is open", (image.wakeAt != nil) == !open.isEmpty)
        require(
            "at its end, an image only cleans up",
            !image.status.isEnd
                || open.keys.allSatisfy {
                    $0.step == .cleanUp || $0.step == .bootProof && image.status == .available
                }
        )
        return broken
    }

    private static func isStep(from old: ImageStatus, to new: ImageStatus) -> Bool {
        switch (old, new) {
        case (.pending, .replicating), (.replicating, .available), (.pending, .error), (.replicating, .error): true
        default: old == new
        }
    }

    private static func holdsOutputs(of jobs: [Job], in image: Image) -> Bool {
        guard image.status != .error else { return true }
        return jobs.allSatisfy { job in
            let adopted = image.ledger.filter { $0.job == job && $0.isAdopted }
            return adopted.count == 1 && image.jobs[job]?.output?.resource == adopted[0].resource
        }
    }
}

extension Image {
    /// Waking times move when a message is repeated; nothing else may.
    fileprivate var ignoringExpectations: Image {
        var copy = self
        for job in copy.jobs.keys { copy.jobs[job]?.expectedAt = createdAt }
        return copy
    }

    fileprivate func uses(_ resource: ResourceID) -> Bool {
        jobs.values.contains { $0.output?.resource?.id == resource }
    }
}

extension Job {
    var creates: Bool { step != .stopCheck && step != .bootProof && step != .cleanUp }
}

extension JobOutput {
    var resource: Resource? {
        switch self {
        case .captured(let capture): capture.resource
        case .replicated(let replica): replica.resource
        case .checked, .observed, .built, .launched, .cleaned: nil
        }
    }
}

extension Effect {
    var line: Announcement? {
        switch self {
        case .announce(let line): line
        default: nil
        }
    }

    fileprivate var releasedQuota: QuotaUse? { if case .releaseQuota(let quota) = self { quota } else { nil } }

    fileprivate var indexedShares: [Owner]? { if case .indexShares(let owners) = self { owners } else { nil } }

    fileprivate var recordedDeadLetter: DeadLetter? {
        if case .recordDeadLetter(let deadLetter) = self { deadLetter } else { nil }
    }

    fileprivate var isMessage: Bool {
        switch self {
        case .enqueue, .deadLetter: true
        case .park, .announce, .joinLine, .takeLocks, .releaseLocks, .releaseQuota, .indexShares, .recordDeadLetter,
            .tell:
            false
        }
    }
}

extension Announcement.Kind {
    fileprivate var announcedStatus: ImageStatus? {
        switch self {
        case .imagePending: .pending
        case .imageReplicating: .replicating
        case .imageAvailable: .available
        case .imageError: .error
        default: nil
        }
    }
}
