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
        guard !message.holdsZero else {
            return await context.park(delivery, reason: "reply_to or correlation_id holds a zero character")
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

    /// The store repeats the first answer to a request that was answered before, whatever is decided here.
    /// - Returns: `nil` when this worker stops before there is an answer.
    private func answer(_ request: Request, for message: IncomingMessage) async throws(StoreError) -> Settlement? {
        switch request {
        case .create(let create):
            switch await plan(create) {
            case nil: return nil
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

    /// - Returns: `nil` when this worker stops meanwhile. A driver that was interrupted says nothing of the request.
    private func plan(_ request: CreateRequest) async -> Result<Plan, Rejection>? {
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
                if Task.isCancelled { return nil }
                guard attempt < Self.driverTries, error.disposition != .permanent else {
                    let field = error.code == .unavailable ? nil : "instanceId"
                    return .failure(Rejection(error.code, error.message, field: field))
                }
                do { try await context.time.sleep(for: .seconds(1)) } catch _ { return nil }
            }
        }
        return nil
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
        _ decide: @Sendable () async throws(StoreError) -> Settlement?
    ) async {
        do {
            guard let settlement = try await context.persist(decide) else { return delivery.giveBack() }
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
        let halves = (0..<2).map { _ in UInt64(context.random() * 0x1p32) }
        let digits = String(halves[0] << 32 | halves[1], radix: 16)
        return ImageID(known: "img-" + String(repeating: "0", count: 16 - digits.count) + digits)
    }
}
