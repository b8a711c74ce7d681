import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Synchronization
import Testing

@testable import ImageWorker

@Suite("A worker knows what it can do", .timeLimit(.minutes(30)))
struct ToolTests {
    /// Tools that a test breaks and repairs.
    private final class Tools: ToolTrial {
        private let state = Mutex<(faults: [ToolFault], guest: ToolFault?, trials: Int)>(([], nil, 0))
        private let paused = Mutex<[Lane]>([])

        func fail(_ tools: WorkerTool...) {
            state.withLock { $0.faults = tools.map { ToolFault($0, "broken", advice: "repair it") } }
        }
        func breakGuestLook() { state.withLock { $0.guest = ToolFault(.guestLook, "no kernel") } }
        var trials: Int { state.withLock { $0.trials } }
        var pausedLanes: [Lane] { paused.withLock { $0 } }
        func pause(_ lanes: [Lane]) { paused.withLock { $0 += lanes } }

        func tryTools() async -> [ToolFault]? {
            state.withLock { state in
                state.trials += 1
                return state.faults
            }
        }
        func tryGuestLook(thoroughly: Bool) async -> ToolFault? { !thoroughly ? nil : state.withLock { $0.guest } }
        func tryBoot() async -> String? { nil }
    }

    private func trials(_ worker: TestWorker, _ tools: Tools) -> ToolTrials {
        worker.context.telemetry.tools.expectTrials()
        return ToolTrials(context: worker.context, trial: tools) { tools.pause($0) }
    }

    private static let east = LocationName(known: "east")

    @Test("what fails is told in readiness, metrics, log and report, pauses its lanes, and is told again when it works")
    func told() async throws {
        let rig = try await Rig()
        let worker = rig.worker()
        let tools = Tools()
        let trials = trials(worker, tools)
        let telemetry = worker.context.telemetry
        #expect(telemetry.tools.problems(at: rig.time.uptime()) == ["the worker's tools have not been tried yet"])
        #expect(telemetry.tools.hindrance(of: .intake) == nil, "nothing is held back on a guess")

        tools.fail(.childProcess, .location(Self.east))
        await trials.tryOnce()
        let problems = telemetry.health(at: rig.time.uptime()).problems
        #expect(problems.contains { $0.text == "child processes cannot be used: broken" && !$0.isCuredByRestart })
        #expect(problems.contains { $0.text == "location east cannot be used: broken" })
        let metrics = telemetry.metrics(at: rig.time.uptime())
        #expect(metrics.contains("goldsmith_tool_up{tool=\"child-process\"} 0\n"))
        #expect(metrics.contains("goldsmith_tool_up{tool=\"locations\"} 0\n"))
        #expect(metrics.contains("goldsmith_tool_up{tool=\"qemu-img\"} 1\n"))
        #expect(!metrics.contains("east"))
        #expect(rig.log.text.contains("the worker cannot do all of its work"))
        #expect(
            tools.pausedLanes == [
                .intake, .job(.stopCheck), .job(.systemDisk), .job(.dataDisk), .job(.bootProof), .job(.launch),
            ]
        )

        tools.fail()
        await trials.tryOnce()
        #expect(
            telemetry.tools.problems(at: rig.time.uptime()).isEmpty && telemetry.tools.hindrance(of: .intake) == nil
        )
        #expect(rig.log.text.contains("tool works again"))
    }

    @Test("a trial comes again soon while something fails, later when all is well, and at once after a suspicion")
    func periods() async throws {
        let rig = try await Rig()
        let tools = Tools()
        let worker = rig.worker()
        let trials = trials(worker, tools)
        let telemetry = worker.context.telemetry.tools
        tools.fail(.storage)
        await trials.tryOnce()
        let begin = rig.time.uptime()
        #expect(!telemetry.isDue(at: begin + .seconds(9)) && telemetry.isDue(at: begin + .seconds(10)))
        tools.fail()
        await trials.tryOnce()
        #expect(!telemetry.isDue(at: begin + .seconds(59)) && telemetry.isDue(at: begin + .seconds(60)))
        telemetry.suspect()
        #expect(!telemetry.isDue(at: begin + .seconds(9)) && telemetry.isDue(at: begin + .seconds(10)))
    }

    @Test("a trial that hangs is told after a minute and a half")
    func hangs() async throws {
        let rig = try await Rig()
        let telemetry = rig.worker().context.telemetry.tools
        telemetry.expectTrials()
        telemetry.ended([], at: rig.time.uptime())
        telemetry.begins(at: rig.time.uptime())
        #expect(telemetry.problems(at: rig.time.uptime() + .seconds(90)).isEmpty)
        #expect(telemetry.problems(at: rig.time.uptime() + .seconds(91)).count == 1)
    }

    @Test("a look into guests that fails makes a worker unready, and its lanes go on")
    func guestLook() async throws {
        let rig = try await Rig()
        let tools = Tools()
        let worker = rig.worker()
        let trials = trials(worker, tools)
        await trials.tryOnce()
        tools.breakGuestLook()
        let look = Task { await trials.runGuestLook() }
        try await becomesTrue { rig.time.sleepers == 1 }
        #expect(worker.context.telemetry.tools.problems(at: rig.time.uptime()).isEmpty, "a worker begins without it")
        rig.time.advance(by: .seconds(180))
        try await becomesTrue { !worker.context.telemetry.tools.problems(at: rig.time.uptime()).isEmpty }
        look.cancel()
        await look.value
        #expect(worker.context.telemetry.tools.hindrance(of: .job(.stopCheck)) == nil && tools.pausedLanes.isEmpty)
    }

    @Test("a job that this worker's tools cannot do waits without an attempt, and another worker does it")
    func hindered() async throws {
        let rig = try await Rig()
        let tools = Tools()
        let lame = rig.worker("lame")
        tools.fail(.storage)
        await trials(lame, tools).tryOnce()
        await rig.startCapturing()
        let able = rig.worker("w1")
        for lane in [Step.systemDisk, .dataDisk, .dataDisk] { await able.work(.job(lane)) }
        await lame.work(.job(.replicate))
        await able.work(.job(.replicate))
        let hindered = try await rig.image().jobs.filter { $0.key.step == .replicate && $0.value.waiting != nil }
        #expect(hindered.count == 1)
        #expect(hindered.values.first?.waiting?.reason == "the data folder cannot be used: broken")
        #expect(hindered.values.first?.attempt == 1)
        #expect(rig.broker.retryQueues.map(\.delay) == [.seconds30])
        try await rig.run(rig.worker("w2"))
        try await rig.expectAvailable()
    }

    @Test("a job that another worker is at is left to it, and its wait is not counted")
    func hinderedElsewhere() async throws {
        let rig = try await Rig()
        let tools = Tools()
        let lame = rig.worker("lame")
        tools.fail(.diskProgram)
        await trials(lame, tools).tryOnce()
        await rig.startCapturing()
        let gate = Gate(.after, "driver.capture /dev/vda")
        let worker = rig.worker(driver: gate.interceptor)
        let message = try #require(rig.broker.ready(.job(.systemDisk)).first?.message)
        let copying = Task { await worker.work(.job(.systemDisk)) }
        try await becomesTrue { gate.isReached }
        rig.broker.send(message, to: .job(.systemDisk))
        await lame.work(.job(.systemDisk))
        #expect(try await rig.image().jobs[.systemDisk]?.waiting == nil)
        gate.open()
        await copying.value
        try await rig.run(rig.worker("w2"))
        try await rig.expectAvailable()
    }

    @Test("what waits for a slot when its worker stops is requeued, and what runs ends")
    func drain() async throws {
        let rig = try await Rig()
        await rig.startCapturing()
        let gate = Gate(.after, "driver.capture /dev/vdb")
        let worker = rig.worker(driver: gate.interceptor) { $0.concurrency = 1 }
        let body = WorkerBody(worker.context, inspector: rig.broker)
        let (stream, deliveries) = AsyncStream<any IncomingDelivery>.makeStream()
        let serving = Task { await body.serve(.job(.dataDisk), stream) }
        let first = try #require(rig.broker.take(.job(.dataDisk), by: worker.name))
        deliveries.yield(first)
        try await becomesTrue { gate.isReached }
        #expect(worker.context.telemetry.running.descriptions.first?.hasPrefix("data-disk") == true)
        let second = try #require(rig.broker.take(.job(.dataDisk), by: worker.name))
        deliveries.yield(second)
        deliveries.finish()
        try await becomesTrue { rig.broker.ready(.job(.dataDisk)).count == 1 }
        gate.open()
        await serving.value
        #expect(worker.context.telemetry.running.descriptions.isEmpty && rig.broker.unacked == 0)
        try await rig.run(rig.worker("w2"))
        try await rig.expectAvailable()
    }
}
