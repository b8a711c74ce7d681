package import ImageCore
package import Logging
package import Tracing

/// What one worker process does with what comes to it, free of the broker's types: `Worker` runs it over RabbitMQ, the
/// simulation over a broker in memory.
package struct WorkerBody: Sendable {
    let context: WorkerContext
    private let inspector: any QueueInspector

    package init(
        options: WorkerOptions,
        store: any ImageStore,
        driver: any ImageDriver,
        publisher: any MessagePublisher,
        inspector: any QueueInspector,
        time: any Timekeeper,
        random: @escaping @Sendable () -> Double,
        logger: Logger,
        telemetry: WorkerTelemetry = WorkerTelemetry(),
        tracer: any Tracer = NoOpTracer()
    ) {
        self.inspector = inspector
        let time = StoreTime(time)
        context = WorkerContext(
            options: options,
            store: store,
            driver: InterceptingDriver(driver, MeasuredCalls(telemetry: telemetry, time: time, tracer: tracer)),
            publisher: publisher,
            time: time,
            random: random,
            logger: logger,
            telemetry: telemetry,
            tracer: tracer
        )
    }

    init(_ context: WorkerContext, inspector: any QueueInspector) {
        (self.context, self.inspector) = (context, inspector)
    }

    /// Learns what time it is by the store's clock. Before that, a worker takes nothing.
    package func begin() async {
        do throws(StoreError) {
            try await context.persist { () async throws(StoreError) in try await context.time.follow(context.store) }
        } catch {
            context.logger.warning("store time not available", metadata: ["error": "\(error)"])
        }
    }

    /// Until the task is cancelled.
    package func sweep() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await Sweeper(context: context, inspector: inspector).run() }
            group.addTask { await context.confirmed.run(every: context.options.markSentEvery, context) }
            await group.waitForAll()
        }
    }

    /// Once nothing is sent any more.
    package func end() async { await context.markConfirmed() }

    /// Looks at store and queues for metrics and health, until the task is cancelled.
    func sample(_ store: any StoreReader, _ lanes: any LaneInspector) async {
        await StatisticsPoll(context: context, store: store, inspector: lanes).run()
    }

    /// Handles a lane's deliveries until there are no more of them and the last is handled. What waits for a slot then
    /// is requeued.
    package func serve<Deliveries: AsyncSequence & Sendable>(_ lane: Lane, _ deliveries: Deliveries) async
    where Deliveries.Element == any IncomingDelivery, Deliveries.Failure == Never {
        let slots = Slots(context.options.concurrency(of: lane))
        let (turns, drivers) = (Turns(), context.options.drivers)
        await withDiscardingTaskGroup { group in
            for await delivery in deliveries {
                context.telemetry.lanes.came(in: lane)
                guard delivery.message.isWhole || lane.isForHumans else {
                    // The broker parks it itself: the queues it can be in are dead-lettered to the parked queue.
                    context.logger.error("message rejected: too large to read", metadata: ["lane": "\(lane)"])
                    delivery.refuse()
                    context.telemetry.lanes.isHandled(in: lane)
                    continue
                }
                let turn = lane == .intake ? delivery.message.orderKey(among: drivers).map { turns.join($0) } : nil
                // Each waits in a task of its own, so that none is held longer than `hold` for its turn, nor for its slot.
                // Its turn comes first: one that waits for another must not have the slot that the other needs.
                group.addTask {
                    let hasTurn = await turn?.come { try? await context.time.sleep(for: context.options.hold) }
                    defer { if hasTurn == true { turn?.end() } }
                    defer { context.telemetry.lanes.isHandled(in: lane) }
                    let hasSlot = await slots.acquire { try? await context.time.sleep(for: context.options.hold) }
                    guard hasSlot else {
                        return await slots.isClosed ? delivery.requeue() : await deferDelivery(delivery, lane)
                    }
                    await handle(delivery, lane)
                    await slots.release()
                }
            }
            // The worker stops, or pauses this lane: what has not begun is for others.
            await slots.close()
        }
    }

    private func handle(_ delivery: any IncomingDelivery, _ lane: Lane) async {
        switch lane {
        case .intake: await Intake(context: context).handle(delivery)
        case .job: await StepRunner(context: context, lane: lane).handle(delivery)
        case .deadLetters: await DeadLetterHandler(context: context).handle(delivery)
        case .parked: await DeadLetterRecorder(context: context, kind: .parked).handle(delivery)
        case .unrouted: await DeadLetterRecorder(context: context, kind: .unrouted).handle(delivery)
        }
    }

    /// All slots are taken by long work: the job goes through the retry queues instead of being held.
    private func deferDelivery(_ delivery: any IncomingDelivery, _ lane: Lane) async {
        guard case .job = lane, let message = JobMessage(parsing: delivery.message.body) else {
            return delivery.requeue()
        }
        do {
            try await context.deferJob(message, after: .seconds30, delivery)
        } catch {
            delivery.requeue()
        }
    }
}
