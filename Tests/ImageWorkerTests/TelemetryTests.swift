import GoldsmithTestSupport
import ImageCore
import PrometheusMetrics
import Testing

@testable import ImageWorker

@Suite("A worker tells how it stands")
struct TelemetryTests {
    private let start = Duration.seconds(1000)
    private let today = Timestamp(microseconds: 1_700_000_000_000_000)

    private func connected() -> ConnectionHealth {
        var connectionHealth = ConnectionHealth()
        (connectionHealth.isConnected, connectionHealth.generation) = (true, 1)
        (connectionHealth.nextTurn, connectionHealth.lastHeard) = (.now + .seconds(7), .now)
        return connectionHealth
    }

    /// Telemetry whose worker serves, over connections as given.
    private func telemetry(
        _ consumer: ConnectionHealth,
        _ publisher: ConnectionHealth = ConnectionHealth(),
        blocked: Bool = false
    )
        -> WorkerTelemetry
    {
        let telemetry = WorkerTelemetry()
        telemetry.lend { TransportHealth(consumer: consumer, publisher: publisher, isBlocked: blocked) }
        telemetry.serves()
        telemetry.note(.success(StoreStatistics()), now: today, at: start)
        return telemetry
    }

    @Test("a metric that nobody listed is shown from its first use")
    func unlisted() {
        let registry = MetricsRegistry([])
        registry.add(to: Metric("forgotten_total", .counter, by: ["who"], known: [["x"]], "Forgotten."), "y")
        #expect(registry.text.contains("# TYPE forgotten_total counter\n"))
        #expect(registry.text.contains("forgotten_total{who=\"x\"} 0\nforgotten_total{who=\"y\"} 1\n"))
    }

    @Test("counters, gauges and histograms are written as Prometheus reads them, and strange labels are escaped")
    func text() {
        let counter = Metric("a_total", .counter, by: ["who"], known: [["x"]], "Says\nit.")
        let gauge = Metric("b", .gauge, "B.")
        let histogram = Metric("c_seconds", .histogram([0.5, 2]), "C.")
        let registry = MetricsRegistry([counter, gauge, histogram])
        registry.add(2, to: counter, "a\"\\\n")
        registry.add(to: counter, "one", "too many")
        registry.observe(1, in: histogram)
        registry.observe(9, in: histogram)
        #expect(
            registry.text == """
                # HELP a_total Says\\nit.
                # TYPE a_total counter
                a_total{who="a\\"\\\\\\n"} 2
                a_total{who="x"} 0
                # HELP b B.
                # TYPE b gauge
                # HELP c_seconds C.
                # TYPE c_seconds histogram
                c_seconds_bucket{le="0.5"} 0
                c_seconds_bucket{le="2"} 1
                c_seconds_bucket{le="+Inf"} 2
                c_seconds_sum 10
                c_seconds_count 2

                """
        )
    }

    @Test("a worker that has all it needs is ready, and each thing that is missing is said")
    func readiness() {
        #expect(telemetry(connected()).health(at: start).problems.isEmpty)
        #expect(WorkerTelemetry().health(at: start).isReady == false)

        var lost = connected()
        (lost.isConnected, lost.missingQueues) = (false, ["goldsmith.intake"])
        let health = telemetry(lost, blocked: true).health(at: start)
        #expect(health.problems.count == 3 && health.isAlive, "\(health)")

        let away = telemetry(connected())
        away.note(.failure(StoreError(.unavailable, "gone")), now: today, at: start)
        #expect(away.health(at: start).problems.map(\.text) == ["the store is out of reach: gone"])
        #expect(away.metrics(at: start).contains("goldsmith_store_up 0\n"))
        #expect(!away.metrics(at: start).contains("goldsmith_outbox_messages 0"), "an old value is worse than none")

        let stopping = telemetry(connected())
        stopping.stops()
        #expect(!stopping.health(at: start).isReady && stopping.health(at: start).isAlive)
    }

    @Test("a store that does not answer at all is told after a minute")
    func silentStore() {
        let telemetry = telemetry(connected())
        #expect(telemetry.health(at: start + .seconds(59)).isReady)
        #expect(!telemetry.health(at: start + .seconds(61)).isReady)
    }

    @Test("a thread that hangs and a broker that is silent are told, and only the first asks for another start")
    func silentConnection() {
        var hung = connected()
        hung.nextTurn = .now - .seconds(90)
        let first = telemetry(hung).health(at: start)
        #expect(first.problems.count == 1 && !first.isAlive, "\(first)")
        var silent = connected()
        silent.lastHeard = .now - .seconds(90)
        let second = telemetry(silent).health(at: start)
        #expect(second.problems.count == 1 && second.isAlive && !second.isReady, "\(second)")
    }

    @Test(
        "a subscription that the broker does not count, or that gets nothing of what waits, is dead after half a minute"
    )
    func deadSubscription() {
        for status in [LaneStatus(ready: 0, consumers: 0), LaneStatus(ready: 3, consumers: 2)] {
            let telemetry = telemetry(connected())
            telemetry.note(status, of: .intake, prefetch: 2, at: start)
            #expect(telemetry.health(at: start).isReady, "it may be a moment between two deliveries")
            telemetry.note(status, of: .intake, prefetch: 2, at: start + .seconds(30))
            let health = telemetry.health(at: start + .seconds(30))
            #expect(health.problems.count == 1 && !health.isAlive, "\(health)")
            telemetry.note(LaneStatus(ready: 0, consumers: 1), of: .intake, prefetch: 2, at: start + .seconds(40))
            #expect(telemetry.health(at: start + .seconds(40)).isReady)
        }
    }

    @Test("a queue without consumers says nothing of a worker that stops, or knows that it is not subscribed")
    func knownToBeGone() {
        var lost = connected()
        lost.isConnected = false
        let stopping = telemetry(connected())
        stopping.stops()
        for telemetry in [telemetry(lost), stopping] {
            for second in [0, 40] as [Int64] {
                telemetry.note(
                    LaneStatus(ready: 3, consumers: 0),
                    of: .intake,
                    prefetch: 2,
                    at: start + .seconds(second)
                )
            }
            let health = telemetry.health(at: start + .seconds(40))
            #expect(health.isAlive && !health.isReady, "\(health)")
        }
    }

    @Test("a lane that is busy, or gets deliveries, or cannot be looked at is not taken for dead")
    func busyLane() {
        let telemetry = telemetry(connected())
        let full = LaneStatus(ready: 9, consumers: 1)
        telemetry.lanes.came(in: .intake)
        telemetry.lanes.came(in: .intake)
        for second in stride(from: 0, through: 60, by: 10) {
            telemetry.note(full, of: .intake, prefetch: 2, at: start + .seconds(second))
            telemetry.lanes.came(in: .deadLetters)
            telemetry.lanes.isHandled(in: .deadLetters)
            telemetry.note(full, of: .deadLetters, prefetch: 2, at: start + .seconds(second))
            telemetry.note(nil, of: .parked, prefetch: 2, at: start + .seconds(second))
        }
        #expect(telemetry.health(at: start + .seconds(60)).isReady)
    }

    @Test("an image's making is counted by step, and what is answered by code")
    func counted() async throws {
        let rig = try await Rig()
        let worker = rig.worker()
        #expect(
            worker.context.telemetry.metrics(at: start).contains("goldsmith_jobs_begun_total{step=\"stop-check\"} 0\n")
        )
        worker.context.telemetry.begins(.stopCheck)
        worker.context.telemetry.rests(.stopCheck, after: .milliseconds(300))
        worker.context.telemetry.ended(.stopCheck, .retried)
        worker.context.telemetry.answered(.create, .quotaExceeded)
        let text = worker.context.telemetry.metrics(at: start)
        for line in [
            "goldsmith_jobs_begun_total{step=\"stop-check\"} 1", "goldsmith_jobs_running{step=\"stop-check\"} 0",
            "goldsmith_jobs_ended_total{step=\"stop-check\",outcome=\"retried\"} 1",
            "goldsmith_job_seconds_bucket{step=\"stop-check\",le=\"1\"} 1",
            "goldsmith_requests_total{operation=\"image.create\",code=\"QUOTA_EXCEEDED\"} 1",
        ] { #expect(text.contains(line + "\n"), "\(line)") }
    }

    @Test("calls of the store and the driver are timed, and told apart by what came of them")
    func calls() async throws {
        let rig = try await Rig()
        let telemetry = WorkerTelemetry()
        telemetry.called(StoreCall(operation: .begin, duration: .milliseconds(20), repeats: 3, failure: nil))
        telemetry.called(StoreCall(operation: .begin, duration: .seconds(9), repeats: 0, failure: .unavailable))
        let slow: Interceptor = { call in
            if call.moment == .before { rig.time.advance(by: .seconds(2)) }
            return .pass
        }
        let measured = MeasuredCalls(telemetry: telemetry, time: rig.time)
        let driver = InterceptingDriver(InterceptingDriver(rig.driver, JudgedCalls(slow)), measured)
        _ = try await driver.describe(InstanceID(known: "i-web1"), for: nil)
        await #expect(throws: StepFailure.self) { try await driver.describe(InstanceID(known: "i-none"), for: nil) }
        let text = telemetry.metrics(at: start)
        for line in [
            "goldsmith_store_seconds_bucket{operation=\"begin\",outcome=\"ok\",le=\"0.005\"} 0",
            "goldsmith_store_seconds_bucket{operation=\"begin\",outcome=\"ok\",le=\"0.025\"} 1",
            "goldsmith_store_seconds_sum{operation=\"begin\",outcome=\"unavailable\"} 9",
            "goldsmith_store_repeats_total{operation=\"begin\"} 3",
            "goldsmith_driver_seconds_sum{call=\"describe\",code=\"OK\"} 2",
            "goldsmith_driver_seconds_count{call=\"describe\",code=\"NOT_FOUND\"} 1",
        ] { #expect(text.contains(line + "\n"), "\(line)") }
    }
}
