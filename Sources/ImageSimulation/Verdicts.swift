import ImageCore
import ImageDrivers
import ImageWorker

/// What must hold when nothing moves any more, whatever happened on the way.
struct Verdicts {
    let world: World
    let upstream: Upstream
    let bystanders: [Resource]

    func check() async throws -> Stage.Ending {
        var ending = Stage.Ending()
        var images = try await world.store.images(ImageQuery(limit: .max))
        images += try await world.store.images(ImageQuery(status: .deleted, limit: .max))
        images.sort { $0.id < $1.id }
        try await checkRequests(images, &ending)
        for image in images {
            // What was Available before it was deleted counts as that.
            let journal = try await world.store.journal(of: image.id, after: 0)
            let lastEnd = journal.last { $0.kind == .imageAvailable || $0.kind == .imageError }
            if lastEnd?.kind == .imageAvailable { ending.available += 1 } else { ending.error += 1 }
            let tries = 1 + journal.count { $0.reason == "tried again" }
            try check(image, tries: tries)
            checkHistory(of: image, journal, tries: tries)
            checkReferences(of: image, among: images)
            try await checkDeadLetter(of: image)
        }
        try await checkShares(images)
        try await checkLaunches(images)
        try await checkWantedProofs(images)
        try await checkRemains(images)
        return ending
    }

    // MARK: Requests

    private func checkRequests(_ images: [Image], _ ending: inout Stage.Ending) async throws {
        var replies: [String: [Answer]] = [:]
        for reply in world.broker.replies {
            guard let correlation = reply.correlationID else { continue }
            let key = reply.id + " " + correlation
            replies[key, default: []].append(try CanonicalJSON.decode(Answer.self, from: reply.body.utf8))
        }
        var accepted: Set<ImageID> = []
        for request in upstream.requests {
            ending.requests += 1
            let id = request.identity.requestID
            guard let recorded = try await world.store.answer(to: request.identity)?.answer else {
                world.violate(.oneEnd, "request \(id) has no answer")
                continue
            }
            if recorded.status == .rejected { ending.rejected += 1 }
            let makesImage = request.operation == .create || request.operation == .convert
            if makesImage, recorded.status == .accepted {
                guard let image = recorded.imageId, accepted.insert(image).inserted,
                    images.contains(where: { $0.id == image })
                else {
                    world.violate(.oneEnd, "request \(id) was accepted and has no image of its own")
                    continue
                }
            }
            for correlation in request.correlations {
                let key = "reply/\(request.identity.owner)/\(id) \(correlation)"
                let got = replies[key] ?? []
                if got.isEmpty { world.violate(.answers, "request \(correlation) got no reply") }
                for answer in got where answer != recorded {
                    guard request.isConflicting, answer.code == .conflict else {
                        world.violate(.answers, "request \(correlation) got \(answer), the first was \(recorded)")
                        continue
                    }
                }
            }
        }
        for image in images where !accepted.contains(image.id) {
            world.violate(.oneEnd, "image \(image.id) belongs to no answer")
        }
    }

    // MARK: Images

    private func check(_ image: Image, tries: Int) throws {
        for (job, state) in image.jobs.sorted(by: { $0.key < $1.key }) {
            let limit = RetryPolicy().attempts(for: job.step) * tries
            if state.tries > limit { world.violate(.attempts, "\(job) of \(image.id): attempt \(state.tries)") }
        }
        switch image.status {
        case .available: try checkAvailable(image)
        case .error:
            if image.cleanUp != .done { world.violate(.cleaned, "\(image.id) is \(image.cleanUp.rawValue)") }
            if image.quota != .none { world.violate(.quota, "\(image.id) is cleaned and holds \(image.quota)") }
        case .deleted:
            if image.quota.snapshots != image.ledger.count || image.quota.images != 0 {
                world.violate(
                    .quota,
                    "\(image.id) is deleted and holds \(image.quota) for \(image.ledger.count) snapshots"
                )
            }
        case .pending, .replicating, .deleting: world.violate(.oneEnd, "\(image.id) is \(image.status.rawValue)")
        }
    }

    private func checkAvailable(_ image: Image) throws {
        let devices = image.captures.map(\.device)
        if devices != image.plan.disks.map(\.device) || image.replicas.map(\.location) != image.plan.locations {
            world.violate(.complete, "\(image.id) has \(devices) at \(image.replicas.map(\.location))")
        }
        for entry in image.ledger {
            let fence = image.jobs[entry.job]?.fence
            if !entry.isAdopted || fence != entry.fence {
                world.violate(.adopted, "\(entry.resource.id): \(entry.job) is held by fence \(fence ?? 0)")
            }
        }
        for capture in image.captures {
            let sums = try world.driver.checksums(of: capture.resource)
            if sums?[capture.device.shortName] != capture.sha256 {
                world.violate(.adopted, "\(capture.resource.id) is not what was captured")
            }
        }
        checkSeal(of: image)
        checkGuest(of: image)
        for replica in image.replicas {
            let sums = try world.driver.checksums(of: replica.resource) ?? [:]
            let isWhole =
                try world.driver.manifest(of: replica.resource) != nil
                && image.captures.allSatisfy { sums[$0.device.shortName] == $0.sha256 }
            if !isWhole { world.violate(.adopted, "\(replica.resource.id) is not whole") }
        }
        // Borrowed ones are in their own image's ledger.
        let captures = image.captures.map(\.resource).filter { $0.imageID == image.id }.map(\.id)
        let adopted = Set(captures + image.replicas.map(\.resource.id))
        if adopted != Set(image.ledger.map(\.resource.id)) {
            world.violate(
                .complete,
                "\(image.id) owns \(image.ledger.map(\.resource.id)), its making \(adopted.sorted())"
            )
        }
        if image.quota != image.plan.quota { world.violate(.quota, "\(image.id) holds \(image.quota)") }
    }

    /// What a human must judge is written down, as it is.
    private func checkDeadLetter(of image: Image) async throws {
        guard let expected = DeadLetter(ofFailed: image) else { return }
        let recorded = try await world.store.deadLetter(expected.id)?.deadLetter
        guard recorded?.state != .open || recorded?.reason != expected.reason else { return }
        world.violate(
            .deadLetters,
            "\(image.id) failed: \(expected.reason); recorded is \(recorded?.reason ?? "nothing")"
        )
    }

    /// Both sides of a conversion know of each other, and none is left in the middle of one.
    private func checkReferences(of image: Image, among images: [Image]) {
        if let conversion = image.references.conversion {
            world.violate(.references, "\(image.id) is still being converted into \(conversion)")
        }
        let borrowers = images.filter { $0.references.borrowsFrom == image.id }.map(\.id)
        if Set(borrowers) != Set(image.references.borrowers) {
            world.violate(
                .references,
                "\(image.id) lends to \(image.references.borrowers), and \(borrowers) borrow from it"
            )
        }
        if let source = image.references.borrowsFrom, image.status != .available {
            world.violate(.references, "\(image.id) is \(image.status.rawValue) and borrows from \(source)")
        }
    }

    private func checkShares(_ images: [Image]) async throws {
        let receivers = Set(images.flatMap(\.references.sharedWith)).union([Upstream.receiver])
        for receiver in receivers.sorted() {
            let shared = images.filter { $0.status != .deleted && $0.references.sharedWith.contains(receiver) }.map(
                \.id
            )
            var query = ImageQuery(limit: .max)
            query.sharedWith = receiver
            let found = try await world.store.images(query).map(\.id)
            if found.sorted() != shared.sorted() {
                world.violate(.shares, "\(receiver) finds \(found), and \(shared) are shared with it")
            }
        }
    }

    private func checkGuest(of image: Image) {
        let plan = image.plan
        guard plan.conversion == nil, plan.guestChecks != .off else { return }
        let seen = world.guest(of: plan.instanceID)?.findings ?? []
        let told = image.findings.filter { $0.code != .secret && $0.code != .seal }
        if plan.guestChecks == .enforce, !seen.isEmpty || !told.isEmpty {
            world.violate(.guestChecked, "\(image.id) is Available, and \(seen.first?.message ?? "was refused")")
        }
        if told.map(\.message) != seen.map(\.message) {
            world.violate(.guestChecked, "\(image.id) has \(told.count) findings, and its guest \(seen.count)")
        }
        if plan.guestChecks == .fix, told.contains(where: { $0.severity == .warning }) {
            world.violate(.guestChecked, "\(image.id) was to be fixed: \(told.first?.message ?? "")")
        }
    }

    private func checkSeal(of image: Image) {
        guard image.plan.conversion == nil, let system = image.captures.first(where: { $0.device.isSystem }) else {
            return
        }
        if system.seal?.removed.map(\.item) != image.plan.seal {
            world.violate(
                .sealed,
                "\(image.id) wanted \(image.plan.seal ?? []), and has \(system.seal?.text ?? "none")"
            )
        }
        if image.plan.secretScan == .refuse, system.secrets?.isEmpty != true {
            world.violate(.sealed, "\(image.id): \(system.secrets?.first?.message ?? "it was not searched")")
        }
    }

    /// An accepted launch is an instance, or its failure was announced.
    private func checkLaunches(_ images: [Image]) async throws {
        for request in upstream.requests where request.operation == .launch {
            guard let answer = try await world.store.answer(to: request.identity)?.answer,
                let instance = answer.instanceId, let image = answer.imageId
            else { continue }
            let job = Job.launch(instance)
            let ends = try await world.store.journal(of: image, after: 0).filter { line in
                line.job == job && (line.kind == .stepDone || line.kind == .stepFailed)
            }
            let isThere = (try? await world.driver.describe(instance, for: nil)) != nil
            let isDone = ends.map(\.kind) == [.stepDone]
            if isDone != isThere {
                world.violate(.oneEnd, "the launch of \(instance): \(ends.map(\.kind)), and it is there: \(isThere)")
            }
        }
    }

    private func checkHistory(of image: Image, _ journal: [Announcement], tries: Int) {
        if journal.map(\.sequence) != Array(1...image.sequence) {
            world.violate(.journal, "\(image.id): \(journal.map(\.sequence))")
        }
        let told = Set(world.broker.events.map(\.id))
        let silent: Set<Announcement.Kind> = [.stepWaiting, .stepInterrupted]
        for line in journal where !silent.contains(line.kind) && !told.contains("\(image.id)/\(line.sequence)") {
            world.violate(.journal, "\(image.id): line \(line.sequence), \(line.kind.rawValue), was not published")
        }
        if image.failure?.job?.step == .bootProof, image.plan.bootProof?.mode != .require {
            world.violate(.proven, "\(image.id) is in Error for a proof that was only to be reported")
        }
        checkProofs(of: image, journal)
        let ends = journal.count { $0.kind == .imageAvailable || $0.kind == .imageError }
        if ends != tries { world.violate(.oneEnd, "\(image.id) came to \(ends) ends in \(tries) tries") }
        let retries = Dictionary(grouping: journal.filter { $0.kind == .stepRetrying }, by: \.job)
        for (job, lines) in retries {
            // Each proof has all its attempts.
            let proofs = journal.count { $0.kind == .imageBootProof && $0.job == job }
            let limit = RetryPolicy().attempts(for: job?.step ?? .stopCheck) * max(tries, proofs)
            if lines.count >= limit { world.violate(.attempts, "\(image.id): \(lines.count) retries of one job") }
        }
    }

    /// What it was made with decides whether it counts; what comes later is a report.
    private func checkProofs(of image: Image, _ journal: [Announcement]) {
        guard let available = journal.last(where: { $0.kind == .imageAvailable }) else { return }
        if journal.contains(where: { $0.kind == .imageError && $0.sequence > available.sequence }) {
            world.violate(.proven, "\(image.id) was Available and became Error")
        }
        let isFailed = journal.contains {
            $0.kind == .stepFailed && $0.job?.step == .bootProof && $0.sequence > available.sequence
        }
        if isFailed { world.violate(.proven, "a proof of \(image.id) failed, which was Available") }
        guard let terms = image.plan.bootProof, terms.mode == .require else { return }
        let proof = journal.last { $0.kind == .imageBootProof && $0.sequence < available.sequence }
        let isAllowed = BootVerdict.allCases.contains { verdict in
            proof?.reason?.hasPrefix("\(verdict.rawValue): ") == true
                && (verdict == .proven || verdict == .notProven && terms.unproven == .available)
        }
        if !isAllowed { world.violate(.proven, "\(image.id) is Available with \(proof?.reason ?? "no proof")") }
    }

    /// An accepted proof has a verdict of its own, unless its image was deleted meanwhile.
    private func checkWantedProofs(_ images: [Image]) async throws {
        for image in images {
            var wanted = image.plan.wantsBootProof ? 1 : 0
            for request in upstream.requests where request.operation == .prove {
                let answer = try await world.store.answer(to: request.identity)?.answer
                if answer?.status == .accepted, answer?.imageId == image.id { wanted += 1 }
            }
            let journal = try await world.store.journal(of: image.id, after: 0)
            guard wanted > 0, let available = journal.last(where: { $0.kind == .imageAvailable }) else { continue }
            let begin = journal.last { $0.kind == .imageReplicating && $0.sequence < available.sequence }
            let told = journal.count { $0.kind == .imageBootProof && $0.sequence > begin?.sequence ?? 0 }
            // The last of a deleted image may have been given up.
            let expected = image.status == .available ? wanted...wanted : (wanted - 1)...wanted
            if !expected.contains(told) {
                world.violate(.oneEnd, "\(wanted) proofs of \(image.id), and \(told) verdicts")
            }
        }
    }

    // MARK: What is left

    private func checkRemains(_ images: [Image]) async throws {
        let owned = Set(images.flatMap { $0.ledger.map(\.resource.id) })
        let found = try await world.inventory()
        for resource in found where !owned.contains(resource.id) && !bystanders.contains(resource) {
            world.violate(.noOrphans, "\(resource.id) is nobody's")
        }
        for bystander in bystanders where !found.contains(bystander) {
            world.violate(.nothingElse, "\(bystander.id), another store's, is gone")
        }
        let locks = try await world.store.locks()
        if !locks.isEmpty { world.violate(.locks, "\(locks.map(\.key)) are still held") }
        for owner in Set(images.map(\.owner)).sorted(by: { $0.text < $1.text }) {
            let own = images.filter { $0.owner == owner }
            let sum = QuotaUse(
                images: own.reduce(0) { $0 + $1.quota.images },
                snapshots: own.reduce(0) { $0 + $1.quota.snapshots }
            )
            let used = try await world.store.quota(of: owner).used
            if used != sum { world.violate(.quota, "\(owner) uses \(used), its images hold \(sum)") }
        }
        if let left = try await world.store.unsent(before: Timestamp(microseconds: .max), limit: 1).first {
            world.violate(.outbox, "\(left.id) was never sent")
        }
        for deadLetter in world.broker.parked {
            world.violate(.oneEnd, "a message was parked: \(deadLetter.reason ?? deadLetter.message.messageID ?? "")")
        }
    }
}
