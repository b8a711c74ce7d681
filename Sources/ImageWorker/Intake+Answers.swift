import ImageCore

/// What each operation means. The compiler names this place when one is added.
extension Intake {
    /// How often a driver that is out of reach is asked before the request is deferred.
    static let driverTries = 3
    /// How many images made lately an estimate rests on.
    private static let sampleSize = 10

    /// The store repeats the first answer to a request that was answered before, whatever is decided here.
    func answer(_ request: Request, for message: IncomingMessage) async throws(StoreError) -> Decision {
        let reply = message.replyAddress(by: context.options.replies)
        var transitionContext = context.transitionContext(actor: Self.actor(request, message))
        transitionContext.trace = message.trace
        switch request {
        case .create(let create):
            switch await plan(create) {
            case .stopped: return .stopped
            case .unknown(let failure): return .deferred(failure)
            case .found(let plan):
                if create.dryRun == true { return try await rehearse(request, plan, reply, transitionContext) }
                return .settled(
                    try await context.store.accept(
                        create,
                        as: ImageID(known: newID("img")),
                        plan: plan,
                        reply: reply,
                        in: transitionContext
                    )
                )
            case .refused(let rejection):
                return try await record(.rejected(rejection), to: request, reply, transitionContext)
            }
        case .cancel(let body): return try await grant(.cancel, body.imageID, request, reply, transitionContext)
        case .retry(let body):
            if let refusal = try await refusalOfHost(of: body.imageID, owner: body.owner) {
                return try await record(.rejected(refusal), to: request, reply, transitionContext)
            }
            return try await grant(.retry, body.imageID, request, reply, transitionContext)
        case .share(let body):
            return try await grant(.share(body.with), body.imageID, request, reply, transitionContext)
        case .unshare(let body):
            return try await grant(.unshare(body.with), body.imageID, request, reply, transitionContext)
        case .delete(let body):
            guard let gone = try await goneInstances(of: body.imageID, owner: body.owner) else { return .stopped }
            let command = ImageCommand.delete(snapshots: body.deleteSnapshots, gone: gone)
            return try await grant(command, body.imageID, request, reply, transitionContext)
        case .convert(let body):
            if let refusal = try await refusalOfHost(of: body.imageID, owner: body.owner) {
                return try await record(.rejected(refusal), to: request, reply, transitionContext)
            }
            return .settled(
                try await context.store.convert(
                    body,
                    as: ImageID(known: newID("img")),
                    reply: reply,
                    in: transitionContext
                )
            )
        case .prove(let body): return try await prove(body, reply, transitionContext)
        case .launch(let body): return try await launch(body, reply, transitionContext)
        case .describe(let body): return try await describe(body, reply, transitionContext)
        }
    }

    /// The answer to a request that was not handled in time. One that was answered before is answered the same.
    func answer(_ request: Request, lapsed: Death, for message: IncomingMessage) async throws(StoreError) -> Decision {
        let reply = message.replyAddress(by: context.options.replies)
        var transitionContext = context.transitionContext(actor: Self.actor(request, message))
        transitionContext.trace = message.trace
        let answer = Answer.rejected(Rejection(.unavailable, "the request was not looked at: \(lapsed.sentence)"))
        guard case .describe(let body) = request else {
            return try await record(answer, to: request, reply, transitionContext)
        }
        return .settled(unkept(answer, to: body, reply, transitionContext))
    }

    /// The requesting user, for the image's history: the broker's user where the broker vouches for one.
    private static func actor(_ request: Request, _ message: IncomingMessage) -> String {
        let owner = request.identity.owner.text
        return message.userID.map { "\(owner) (\(PlainText.word($0)))" } ?? owner
    }

    private func grant(
        _ command: ImageCommand,
        _ image: ImageID,
        _ request: Request,
        _ reply: ReplyAddress?,
        _ transitionContext: TransitionContext
    ) async throws(StoreError) -> Decision {
        .settled(
            try await context.store.grant(
                command,
                for: image,
                asked: request,
                reply: reply,
                in: transitionContext
            )
        )
    }

    private func record(
        _ answer: Answer,
        to request: Request,
        _ reply: ReplyAddress?,
        _ transitionContext: TransitionContext
    ) async throws(StoreError) -> Decision {
        .settled(try await context.store.record(answer, to: request, reply: reply, in: transitionContext))
    }

    /// Why the jobs of an image would find no worker. An image that is not the owner's is left to the store's answer.
    private func refusalOfHost(of id: ImageID, owner: Owner) async throws(StoreError) -> Rejection? {
        guard let image = try await context.store.image(id), image.owner == owner else { return nil }
        return image.plan.refusal(of: id, in: context.options.installation)
    }

    /// Which instances launched from an image exist no more.
    /// - Returns: `nil` when this worker stops meanwhile.
    private func goneInstances(of id: ImageID, owner: Owner) async throws(StoreError) -> Set<InstanceID>? {
        guard let image = try await context.store.image(id), image.owner == owner else { return [] }
        var gone: Set<InstanceID> = []
        for launch in image.references.launches {
            do throws(StepFailure) {
                _ = try await context.driver.describe(launch.instanceID, for: nil)
            } catch {
                if Task.isCancelled { return nil }
                // One that cannot be described counts as there.
                if error.code == .notFound { gone.insert(launch.instanceID) }
            }
        }
        return gone
    }

    private func prove(
        _ body: ProveRequest,
        _ reply: ReplyAddress?,
        _ transitionContext: TransitionContext
    ) async throws(StoreError) -> Decision {
        let image = try await context.store.image(body.imageID)
        let location: LocationName
        do throws(Rejection) {
            guard let image else { throw .noImage(body.imageID) }
            location = try image.location(for: body, in: context.options.installation)
        } catch {
            return try await record(.rejected(error), to: .prove(body), reply, transitionContext)
        }
        return try await grant(.prove(location), body.imageID, .prove(body), reply, transitionContext)
    }

    private func launch(
        _ body: LaunchRequest,
        _ reply: ReplyAddress?,
        _ transitionContext: TransitionContext
    ) async throws(StoreError) -> Decision {
        let request = Request.launch(body)
        let image = try await context.store.image(body.imageID)
        guard let image, image.isVisible(to: body.owner, for: .launch) else {
            return try await record(.rejected(.noImage(body.imageID)), to: request, reply, transitionContext)
        }
        if let refusal = image.refusal(of: Operation.launch) {
            return try await record(.rejected(refusal), to: request, reply, transitionContext)
        }
        let place: (location: LocationName, instance: InstanceID)
        switch await self.place(of: body, image) {
        case .found(let found): place = found
        case .refused(let rejection):
            return try await record(.rejected(rejection), to: request, reply, transitionContext)
        case .unknown(let failure): return .deferred(failure)
        case .stopped: return .stopped
        }
        let launch: Launch
        do throws(Rejection) {
            launch = try Launch(body, as: place.instance, at: place.location, of: image)
        } catch {
            return try await record(.rejected(error), to: request, reply, transitionContext)
        }
        let lanes = context.options.installation
        if let refusal = image.plan.refusal(of: image.id, at: launch.location, in: lanes) {
            return try await record(.rejected(refusal), to: request, reply, transitionContext)
        }
        guard body.dryRun == true else {
            return try await grant(.launch(launch), image.id, request, reply, transitionContext)
        }
        if let refusal = image.refusal(of: .launch(launch), by: body.owner) {
            return try await record(.rejected(refusal), to: request, reply, transitionContext)
        }
        var answer = Answer.accepted(image.id, image.status)
        answer.disks = launch.disks
        return try await record(answer, to: request, reply, transitionContext)
    }

    /// Read anew each time: the image's state at the first request is no answer today. So it is not recorded,
    /// and goes only to who waits for a reply.
    private func describe(
        _ body: DescribeRequest,
        _ reply: ReplyAddress?,
        _ transitionContext: TransitionContext
    ) async throws(StoreError) -> Decision {
        var answer = Answer.accepted()
        if let id = body.imageID {
            let image = try await context.store.image(id)
            if let image, image.isVisible(to: body.owner, for: .describe), !image.isGone {
                let leases = try await context.store.leases(of: id).filter { $0.isAlive(at: context.time.now()) }
                var view = ImageView(image, leases: leases, for: body.owner)
                if body.history == true {
                    let page = try await historyPage(of: image, for: body)
                    view.history = page.lines
                    answer.nextPage = page.next
                }
                answer.imageId = id
                answer.imageStatus = image.status
                answer.image = view
            } else {
                answer = .rejected(.noImage(id))
            }
        } else {
            let images = try await context.store.images(body.query)
            answer.images = images.map { ImageView($0, for: body.owner) }
            if images.count == body.query.limit { answer.nextPage = images.last.map { .images(ImagePage(after: $0)) } }
        }
        return .settled(unkept(answer, to: body, reply, transitionContext))
    }

    private func unkept(
        _ answer: Answer,
        to body: DescribeRequest,
        _ reply: ReplyAddress?,
        _ transitionContext: TransitionContext
    ) -> RequestOutcome {
        let message = reply.map { answer.outgoing(to: $0, for: body.identity, under: transitionContext.trace) }
        var outcome = RequestOutcome(answer: answer, outgoing: message.map { [$0] } ?? [])
        outcome.isKept = false
        return outcome
    }

    private func historyPage(of image: Image, for body: DescribeRequest) async throws(StoreError) -> HistoryPage {
        var begin: Int64 = 0
        if case .history(let sequence) = body.page { begin = sequence }
        var page = HistoryPage(after: begin)
        var lines: [Announcement]
        repeat {
            lines = try await context.store.journal(of: image.id, after: page.last, limit: HistoryPage.lineLimit)
            page.take(lines, of: image, for: body.owner)
        } while !page.isFull && lines.count == HistoryPage.lineLimit
        return page
    }

    /// Everything that can be known beforehand, and nothing done.
    private func rehearse(
        _ request: Request,
        _ plan: Plan,
        _ reply: ReplyAddress?,
        _ transitionContext: TransitionContext
    ) async throws(StoreError) -> Decision {
        let owner = request.identity.owner
        let usage = try await context.store.quota(of: owner)
        if case .failure(let refusal) = usage.reserving(plan.quota) {
            return try await record(.rejected(refusal), to: request, reply, transitionContext)
        }
        var lines: [Announcement] = []
        for image in try await context.store.images(ImageQuery(status: .available, limit: Self.sampleSize)) {
            // Its making comes first; what follows are launches.
            lines += try await context.store.journal(of: image.id, after: 0, limit: HistoryPage.lineLimit)
        }
        var sizes: [DeviceName: Int64] = [:]
        let findings: [Finding]
        do throws(StepFailure) {
            let steps = Steps(driver: context.driver)
            let reachesDisks = context.options.reaches(plan.host)
            let looks = plan.guestChecks != .off || plan.requiresLook
            findings = try await steps.check(plan, for: owner, looks: looks, reachesDisks: reachesDisks)
            // Without the disks at hand, the whole of each is estimated.
            for disk in plan.disks where !reachesDisks { sizes[disk.device] = disk.sizeBytes }
            for disk in plan.disks where reachesDisks {
                sizes[disk.device] = try await context.driver.copyBytes(of: disk.device, of: plan.instanceID)
            }
        } catch {
            if Task.isCancelled { return .stopped }
            guard error.code.isAboutTheRequest else { return .deferred(error) }
            return try await record(
                .rejected(Rejection(error.code, error.message)),
                to: request,
                reply,
                transitionContext
            )
        }
        var answer = Answer.accepted()
        answer.dryRun = DryRun(
            plan: plan,
            copyBytes: sizes,
            findings: findings,
            quota: usage,
            rates: CopyRates(of: lines)
        )
        return try await record(answer, to: request, reply, transitionContext)
    }
}
