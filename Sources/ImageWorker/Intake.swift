import ImageCore
import Logging

/// Turns a request into an image with a plan, or into a refusal. Either is recorded, so that a repetition is answered
/// the same.
struct Intake {
    let context: WorkerContext

    /// How often a driver that is out of reach is asked before the request is refused with `UNAVAILABLE`.
    private static let driverTries = 3

    func handle(_ delivery: any IncomingDelivery) async {
        let message = delivery.message
        guard let operation = Operation(rawValue: message.routingKey) else {
            return await context.park(delivery, reason: "there is no operation \(message.routingKey)")
        }
        do {
            let request = try Request.parse(
                operation,
                contentType: message.contentType,
                messageID: message.messageID,
                body: message.body
            )
            await settle(delivery) { () async throws(StoreError) in try await answer(request, for: message) }
        } catch {
            await refuse(error, delivery)
        }
    }

    private func answer(_ request: Request, for message: IncomingMessage) async throws(StoreError) -> Settlement {
        switch request {
        case .create(let create):
            if let recorded = try await context.store.answer(to: request.identity) {
                let answer = recorded.answer(to: request.fingerprint)
                let reply = message.replyAddress.map { answer.outgoing(to: $0, for: request.identity) }
                return Settlement(answer: answer, outgoing: reply.map { [$0] } ?? [])
            }
            switch try await plan(create) {
            case .success(let plan):
                return try await context.store.accept(
                    create,
                    as: newImageID(),
                    plan: plan,
                    reply: message.replyAddress,
                    in: context.circumstances()
                )
            case .failure(let rejection):
                return try await context.store.reject(
                    request.identity,
                    fingerprint: request.fingerprint,
                    rejection,
                    reply: message.replyAddress,
                    at: context.time.now()
                )
            }
        case .cancel(let cancel):
            return try await context.store.cancel(cancel, reply: message.replyAddress, in: context.circumstances())
        }
    }

    /// - Throws: when this worker stops meanwhile: then the request must not be answered by it, since that would be for
    ///   ever.
    private func plan(_ request: CreateRequest) async throws(StoreError) -> Result<Plan, Rejection> {
        for attempt in 1... {
            do {
                let instance = try await context.driver.describe(request.instanceID, for: request.owner)
                let locations = try await context.driver.locations()
                return Result { () throws(Rejection) in
                    try Plan.make(
                        for: request,
                        instance: instance,
                        knownLocations: locations,
                        limits: context.options.limits
                    )
                }
            } catch {
                if attempt == Self.driverTries || error.disposition == .permanent {
                    let field = error.code == .unavailable ? nil : "instanceId"
                    return .failure(Rejection(error.code, error.message, field: field))
                }
                do {
                    try await context.time.sleep(for: .seconds(1))
                } catch _ {
                    throw StoreError(.unavailable, "the worker stops")
                }
            }
        }
        return .failure(Rejection(.unavailable, "the compute system is out of reach; ask again later"))
    }

    private func refuse(_ unusable: UnusableRequest, _ delivery: any IncomingDelivery) async {
        let message = delivery.message
        guard let identity = unusable.identity else {
            // Nobody can be told apart to record an answer for. Whoever waits for a reply gets one; a human gets the
            // message.
            if let address = message.replyAddress {
                let reply = Answer.rejected(unusable.rejection).outgoing(to: address, for: nil)
                _ = await context.publisher.publish([reply])
            }
            return await context.park(
                delivery,
                reason: "\(unusable.rejection.code.rawValue): \(unusable.rejection.message)"
            )
        }
        await settle(delivery) { () async throws(StoreError) in
            try await context.store.reject(
                identity,
                fingerprint: "unusable " + String(decoding: message.body.prefix(4096), as: UTF8.self),
                unusable.rejection,
                reply: message.replyAddress,
                at: context.time.now()
            )
        }
    }

    private func settle(
        _ delivery: any IncomingDelivery,
        _ decide: @Sendable () async throws(StoreError) -> Settlement
    ) async {
        do {
            let settlement = try await context.persist(decide)
            var metadata: [String: String] = ["status": settlement.answer.status.rawValue]
            metadata["image.id"] = settlement.answer.imageId?.text
            metadata["code"] = settlement.answer.code?.rawValue
            context.logger.info("request answered", metadata: metadata.mapValues { "\($0)" })
            await context.send(settlement.outgoing)
            delivery.ack()
        } catch {
            context.logger.error("request not answered, given back", metadata: ["error": "\(error)"])
            delivery.giveBack()
        }
    }

    private func newImageID() -> ImageID {
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        return ImageID(known: "img-" + String(repeating: "0", count: 16 - digits.count) + digits)
    }
}
