public import ImageCore
import SQLAccess

extension SQLImageStore {
    public func put(_ request: OutgoingMessage, at now: Timestamp) async throws(StoreError) {
        try await write(for: .put) { (transaction) throws(SQLError) in
            try transaction.post([request], sentBy: .sweeper, at: now)
        }
    }

    public func waiting(as request: OutgoingMessage) async throws(StoreError) -> OutgoingMessage? {
        try await read(for: .waiting) { (transaction) throws(SQLError) in
            let rows = try transaction.connection.query(
                "SELECT message, body FROM outbox WHERE id = $1",
                [.text(request.outboxKey)]
            )
            guard let row = rows.first else { return nil }
            return try transaction.unsent(row)
        }
    }
}

extension SQLImageStore {
    public func answer(to identity: RequestIdentity) async throws(StoreError) -> RecordedAnswer? {
        try await read(for: .answer) { (transaction) throws(SQLError) in try transaction.answer(to: identity) }
    }

    public func accept(
        _ request: CreateRequest,
        as id: ImageID,
        plan: Plan,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome {
        try await settle(.create(request), reply: reply, in: context, for: .accept) { (transaction) throws(SQLError) in
            try transaction.begin(request.identity, label: request.label, as: id, plan: plan, in: context)
        }
    }

    public func grant(
        _ command: ImageCommand,
        for id: ImageID,
        asked request: Request,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome {
        try await settle(request, reply: reply, in: context, for: .grant) { (transaction) throws(SQLError) in
            let owner = request.identity.owner
            guard let image = try transaction.imageToChange(id) else { return .init(.rejected(.noImage(id))) }
            if let refusal = image.refusal(of: command, by: owner) { return .init(.rejected(refusal)) }
            if let refusal = try transaction.take(command.needs(of: image), for: image) {
                return .init(.rejected(refusal))
            }
            guard let event = command.event else { return .init(.accepted(id, image.status)) }
            let applied = try transaction.apply(event, to: image, in: context)
            var answer = Answer.accepted(id, applied.image.status)
            if case .launch(let launch) = command {
                answer.instanceId = launch.instanceID
                answer.disks = launch.disks
            }
            return .init(answer, applied.outgoing)
        }
    }

    public func convert(
        _ request: ConvertRequest,
        as id: ImageID,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome {
        try await settle(.convert(request), reply: reply, in: context, for: .convert) {
            (transaction) throws(SQLError) in
            guard let source = try transaction.imageToChange(request.imageID) else {
                return .init(.rejected(.noImage(request.imageID)))
            }
            if let refusal = source.refusal(of: .convert(id), by: request.owner) {
                return .init(.rejected(refusal))
            }
            guard let plan = Plan.converting(source) else {
                throw SQLError(.unreadable, "image \(source.id) is \(source.status.rawValue) without a system disk")
            }
            return try transaction.begin(
                request.identity,
                label: .init(name: request.name ?? source.name, details: source.details, labels: source.labels),
                as: id,
                plan: plan,
                in: context
            )
        }
    }

    public func record(
        _ answer: Answer,
        to request: Request,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome {
        try await settle(request, reply: reply, in: context, for: .record) { _ in .init(answer) }
    }

    public func reject(
        _ identity: RequestIdentity,
        fingerprint: String,
        _ rejection: Rejection,
        reply: ReplyAddress?,
        in context: TransitionContext
    ) async throws(StoreError) -> RequestOutcome {
        try await settle(identity, fingerprint: fingerprint, reply: reply, in: context, for: .reject) { _ in
            .init(.rejected(rejection))
        }
    }

    fileprivate struct Decision: Sendable {
        var answer: Answer
        var outgoing: [OutgoingMessage]

        init(_ answer: Answer, _ outgoing: [OutgoingMessage] = []) {
            self.answer = answer
            self.outgoing = outgoing
        }
    }

    private func settle(
        _ request: Request,
        reply: ReplyAddress?,
        in context: TransitionContext,
        for operation: StoreOperation,
        _ decide: @escaping @Sendable (StoreTransaction) throws(SQLError) -> Decision
    ) async throws(StoreError) -> RequestOutcome {
        try await settle(
            request.identity,
            fingerprint: request.fingerprint,
            reply: reply,
            in: context,
            for: operation,
            decide
        )
    }

    /// One end for each request: the first answer is recorded in the transaction that decides it, and repeated ever
    /// after.
    private func settle(
        _ identity: RequestIdentity,
        fingerprint: String,
        reply: ReplyAddress?,
        in context: TransitionContext,
        for operation: StoreOperation,
        _ decide: @escaping @Sendable (StoreTransaction) throws(SQLError) -> Decision
    ) async throws(StoreError) -> RequestOutcome {
        let now = context.now
        return try await write(for: operation) { (transaction) throws(SQLError) in
            var decision: Decision
            var posted: [OutgoingMessage] = []
            if let recorded = try transaction.answer(to: identity) {
                decision = Decision(recorded.answer(to: fingerprint))
                if let rejection = decision.answer.rejection {
                    try transaction.replayWasRefused(identity, rejection, at: now)
                }
            } else {
                decision = try decide(transaction)
                try transaction.record(decision.answer, to: identity, fingerprint: fingerprint, at: now)
                if let rejection = decision.answer.rejection {
                    var event = CloudEvent(rejected: rejection, of: identity, at: now).outgoing()
                    event.trace = context.trace
                    posted.append(event)
                }
            }
            if let reply {
                let message = decision.answer.outgoing(to: reply, for: identity, under: context.trace)
                posted.append(message)
            }
            try transaction.post(posted, at: now)
            return RequestOutcome(answer: decision.answer, outgoing: decision.outgoing + posted)
        }
    }
}

extension StoreTransaction {
    /// Begins the making of an image, if its owner's quota allows it.
    fileprivate func begin(
        _ request: RequestIdentity,
        label: Image.Label,
        as id: ImageID,
        plan: Plan,
        in context: TransitionContext
    ) throws(SQLError) -> SQLImageStore.Decision {
        if let refusal = try reserve(plan.quota, for: request.owner) { return .init(.rejected(refusal)) }
        let (image, effects) = Image.accepted(request, label: label, as: id, plan: plan, in: context)
        try insert(image)
        return .init(.accepted(id, image.status), try carryOut(effects, of: image, in: context))
    }

    /// Takes a part of an owner's quota, or says why not.
    fileprivate func reserve(_ wanted: QuotaUse, for owner: Owner) throws(SQLError) -> Rejection? {
        switch try quotaToChange(of: owner).reserving(wanted) {
        case .failure(let refusal): return refusal
        case .success(let usage):
            try keep(usage)
            return nil
        }
    }

    /// Takes what a command needs besides its image, or says why not.
    fileprivate func take(_ needs: [CommandNeed], for image: Image) throws(SQLError) -> Rejection? {
        for need in needs {
            let refusal: Rejection?
            switch need {
            case .source(let id): refusal = image.refusal(ofSource: try imageToChange(id), named: id)
            case .quota(let use): refusal = try reserve(use, for: image.owner)
            }
            if let refusal { return refusal }
        }
        return nil
    }
}
