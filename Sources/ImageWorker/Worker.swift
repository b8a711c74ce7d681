public import ImageCore
public import Logging
public import ServiceLifecycle
public import Tracing

/// One worker process: serves its lanes until it is stopped, then drains.
///
/// Holds no state that matters. Killed at any moment, another worker goes on from what the store says.
public struct Worker<Transport: LaneTransport>: Service {
    private let body: WorkerBody
    private var context: WorkerContext { body.context }
    private let transport: Transport
    private let queues: any LaneInspector
    private let statistics: any StoreReader
    private let tools: any ToolTrial

    public init(
        transport: Transport,
        store: any ImageStore,
        driver: any ImageDriver,
        tools: any ToolTrial,
        options: WorkerOptions,
        time: any Timekeeper,
        random: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) },
        logger: Logger,
        telemetry: WorkerTelemetry = WorkerTelemetry(),
        tracer: any Tracer = NoOpTracer()
    ) {
        var options = options
        options.replies = transport.replies
        self.transport = transport
        self.tools = tools
        statistics = store
        let inspector = transport.inspector
        queues = inspector
        body = WorkerBody(
            options: options,
            store: store,
            driver: driver,
            publisher: transport.publisher,
            inspector: inspector,
            time: time,
            random: random,
            logger: logger,
            telemetry: telemetry,
            tracer: tracer
        )
        telemetry.begins(options, at: time.now())
        telemetry.lend { transport.health }
    }

    public func run() async throws {
        let lanes = context.options.lanes
        context.logger.info(
            "worker started",
            metadata: [
                "worker": "\(context.options.id)", "lanes": "\(lanes.map(\.description).joined(separator: ","))",
                "concurrency": "\(context.options.concurrency)",
            ]
        )
        await body.begin()
        let telemetry = context.telemetry
        telemetry.tools.expectTrials()
        let trials = ToolTrials(context: context, trial: tools) { lanes in
            for lane in lanes { await transport.stopDeliveries(of: lane) }
        }
        // Before any work is taken: what this worker cannot do is for others.
        await trials.tryOnce()
        var sources: [(Lane, Transport.Deliveries?)] = []
        for lane in lanes { sources.append((lane, try await isAble(lane) ? deliveries(of: lane) : nil)) }
        telemetry.serves()
        await withTaskGroup(of: Ended.self) { group in
            for (lane, deliveries) in sources {
                group.addTask {
                    await serve(lane, deliveries)
                    return .lane
                }
            }
            group.addTask {
                await trials.run()
                return .sweeper
            }
            group.addTask {
                await trials.runGuestLook()
                return .sweeper
            }
            group.addTask {
                await body.sweep()
                return .sweeper
            }
            group.addTask {
                await body.sample(statistics, queues)
                return .sweeper
            }
            group.addTask {
                try? await gracefulShutdown()
                context.telemetry.stops()
                context.logger.info("worker stops: no new jobs, finishing what runs")
                // What was delivered but not begun goes back to its queue.
                await transport.stopDeliveries()
                await waitForDrain()
                return .drain
            }
            // Until every lane is idle after the shutdown, or the time for that is up. What still runs then is
            // cancelled, which hands it to another worker without using an attempt.
            var lanesLeft = sources.count
            while lanesLeft > 0, let ended = await group.next() {
                if ended == .drain { break }
                if ended == .lane { lanesLeft -= 1 }
            }
            group.cancelAll()
            // Cancelled work still publishes its outcome if the broker takes it soon; the outbox has it in any case.
            // Without an end to that, a broker that is gone would hold the process for as long as each message is tried.
            let last = Task {
                try? await context.time.sleep(for: .seconds(3))
                await transport.closePublisher()
            }
            await group.waitForAll()
            last.cancel()
            await last.value
        }
        await body.end()
        await transport.close()
        context.logger.info("worker stopped", metadata: ["worker": "\(context.options.id)"])
    }

    /// Whether this worker's tools let it take a lane's work.
    private func isAble(_ lane: Lane) -> Bool { context.telemetry.tools.hindrance(of: lane) == nil }

    private func deliveries(of lane: Lane) async throws -> Transport.Deliveries {
        try await transport.deliveries(of: lane, prefetch: context.options.concurrency(of: lane))
    }

    /// Serves a lane until the worker stops, but for the times in which its tools do not let it.
    private func serve(_ lane: Lane, _ first: Transport.Deliveries?) async {
        var next = first
        while true {
            if let current = next { await body.serve(lane, current) }
            next = nil
            repeat {
                if context.telemetry.isStopping { return }
                guard (try? await context.time.sleep(for: .milliseconds(500))) != nil else { return }
            } while !isAble(lane)
            do {
                next = try await deliveries(of: lane)
                context.logger.info("lane takes work again", metadata: ["lane": "\(lane)"])
            } catch {
                context.logger.warning("lane not subscribed yet", metadata: ["lane": "\(lane)", "error": "\(error)"])
            }
            // What stopped or paused it meanwhile saw no subscription to end.
            if context.telemetry.isStopping || !isAble(lane) { await transport.stopDeliveries(of: lane) }
        }
    }

    /// Lets what runs go on for as long as it may, and tells how far it is.
    private func waitForDrain() async {
        let end = context.time.uptime() + context.options.drain
        while case let left = end - context.time.uptime(), left > .zero {
            guard (try? await context.time.sleep(for: min(left, .seconds(10)))) != nil else { return }
            let works = context.telemetry.running.descriptions
            guard !works.isEmpty else { continue }
            context.logger.info(
                "worker stops: work goes on",
                metadata: [
                    "jobs": "\(works.joined(separator: "; "))",
                    "seconds.left": "\(max(.zero, end - context.time.uptime()).components.seconds)",
                ]
            )
        }
    }

    private enum Ended {
        case lane
        case sweeper
        case drain
    }
}
