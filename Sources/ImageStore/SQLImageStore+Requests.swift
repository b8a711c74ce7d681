public import ImageCore
import SQLAccess

extension SQLImageStore {
    public func answer(to identity: RequestIdentity) async throws(StoreError) -> RecordedAnswer? {
        try await read { (transaction) throws(SQLError) in try transaction.answer(to: identity) }
    }

    public func accept(
        _ request: CreateRequest,
        as id: ImageID,
        plan: Plan,
        reply: ReplyAddress?,
        in circumstances: Circumstances
    ) async throws(StoreError) -> Settlement {
        try await settle(.create(request), reply: reply, at: circumstances.now) { (transaction) throws(SQLError) in
            var standing = try transaction.quotaToChange(of: request.owner)
            if let refusal = standing.limits.refusal(of: plan.quota, beside: standing.used) {
                return .init(.rejected(refusal))
            }
            standing.used.images += plan.quota.images
            standing.used.snapshots += plan.quota.snapshots
            try transaction.keep(standing)
            let (image, effects) = Image.accepted(request, as: id, plan: plan, in: circumstances)
            try transaction.insert(image)
            let outgoing = try transaction.carryOut(effects, of: image, at: circumstances.now)
            return .init(.accepted(id, image.status), outgoing)
        }
    }

    public func cancel(
        _ cancel: CancelRequest,
        reply: ReplyAddress?,
        in circumstances: Circumstances
    ) async throws(StoreError) -> Settlement {
        try await settle(.cancel(cancel), reply: reply, at: circumstances.now) { (transaction) throws(SQLError) in
            // Somebody else's image is not "forbidden": an owner must not learn which images others have.
            guard let image = try transaction.imageToChange(cancel.imageID), image.owner == cancel.owner else {
                return .init(.rejected(Rejection(.notFound, "there is no image \(cancel.imageID)", field: "imageId")))
            }
            let applied = try transaction.apply(.cancelled, to: image, in: circumstances)
            if case .ignored(.atItsEnd(let status), _) = applied.transition {
                return .init(
                    .rejected(
                        Rejection(
                            .failedPrecondition,
                            "image \(image.id) is \(status.rawValue); only an image being made can be cancelled",
                            field: "imageId"
                        )
                    )
                )
            }
            return .init(.accepted(image.id, applied.image.status), applied.outgoing)
        }
    }

    public func reject(
        _ identity: RequestIdentity,
        fingerprint: String,
        _ rejection: Rejection,
        reply: ReplyAddress?,
        at now: Timestamp
    ) async throws(StoreError) -> Settlement {
        try await settle(identity, fingerprint: fingerprint, reply: reply, at: now) { _ in
            .init(.rejected(rejection))
        }
    }

    private struct Decision: Sendable {
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
        at now: Timestamp,
        _ decide: @escaping @Sendable (StoreTransaction) throws(SQLError) -> Decision
    ) async throws(StoreError) -> Settlement {
        try await settle(request.identity, fingerprint: request.fingerprint, reply: reply, at: now, decide)
    }

    /// One end for each request: the first answer is recorded in the transaction that decides it, and repeated ever after.
    private func settle(
        _ identity: RequestIdentity,
        fingerprint: String,
        reply: ReplyAddress?,
        at now: Timestamp,
        _ decide: @escaping @Sendable (StoreTransaction) throws(SQLError) -> Decision
    ) async throws(StoreError) -> Settlement {
        try await write { (transaction) throws(SQLError) in
            var decision: Decision
            if let recorded = try transaction.answer(to: identity) {
                decision = Decision(recorded.answer(to: fingerprint))
            } else {
                decision = try decide(transaction)
                try transaction.record(decision.answer, to: identity, fingerprint: fingerprint, at: now)
                if let rejection = decision.answer.rejection {
                    let event = CloudEvent(rejected: rejection, of: identity, at: now).outgoing()
                    decision.outgoing += try transaction.post([event], at: now)
                }
            }
            if let reply {
                decision.outgoing += try transaction.post([decision.answer.outgoing(to: reply, for: identity)], at: now)
            }
            return Settlement(answer: decision.answer, outgoing: decision.outgoing)
        }
    }
}
