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
        let images = try await world.store.images(ImageQuery(limit: .max)).sorted { $0.id < $1.id }
        try await checkRequests(images, &ending)
        for image in images {
            if image.status == .available { ending.available += 1 } else { ending.error += 1 }
            try check(image)
            try await checkHistory(of: image)
        }
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
            if request.operation == .create, recorded.status == .accepted {
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

    private func check(_ image: Image) throws {
        for (job, state) in image.jobs.sorted(by: { $0.key < $1.key }) {
            let limit = RetryPolicy().attempts(for: job.step)
            if state.attempt > limit { world.violate(.attempts, "\(job) of \(image.id): attempt \(state.attempt)") }
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
        for replica in image.replicas {
            let sums = try world.driver.checksums(of: replica.resource) ?? [:]
            let isWhole =
                try world.driver.manifest(of: replica.resource) != nil
                && image.captures.allSatisfy { sums[$0.device.shortName] == $0.sha256 }
            if !isWhole { world.violate(.adopted, "\(replica.resource.id) is not whole") }
        }
        let adopted = Set(image.captures.map(\.resource.id) + image.replicas.map(\.resource.id))
        if adopted != Set(image.ledger.map(\.resource.id)) {
            world.violate(
                .complete,
                "\(image.id) owns \(image.ledger.map(\.resource.id)), its making \(adopted.sorted())"
            )
        }
        if image.quota != image.plan.quota { world.violate(.quota, "\(image.id) holds \(image.quota)") }
    }

    private func checkHistory(of image: Image) async throws {
        let journal = try await world.store.journal(of: image.id, after: 0)
        if journal.map(\.sequence) != Array(1...image.sequence) {
            world.violate(.journal, "\(image.id): \(journal.map(\.sequence))")
        }
        let told = Set(world.broker.events.map(\.id))
        let silent: Set<Announcement.Kind> = [.stepWaiting, .stepInterrupted]
        for line in journal where !silent.contains(line.kind) && !told.contains("\(image.id)/\(line.sequence)") {
            world.violate(.journal, "\(image.id): line \(line.sequence), \(line.kind.rawValue), was not published")
        }
        let ends = journal.count { $0.kind == .imageAvailable || $0.kind == .imageError }
        if ends != 1 { world.violate(.oneEnd, "\(image.id) came to \(ends) ends") }
        let retries = Dictionary(grouping: journal.filter { $0.kind == .stepRetrying }, by: \.job)
        for (job, lines) in retries {
            let limit = RetryPolicy().attempts(for: job?.step ?? .stopCheck)
            if lines.count >= limit { world.violate(.attempts, "\(image.id): \(lines.count) retries of one job") }
        }
    }

    // MARK: What is left

    private func checkRemains(_ images: [Image]) async throws {
        let owned = Set(images.flatMap { $0.ledger.map(\.resource.id) })
        let found = try await world.driver.inventory()
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
        for letter in world.broker.parked {
            world.violate(.oneEnd, "a message was parked: \(letter.reason ?? letter.message.messageID ?? "")")
        }
    }
}
