import AMQPClient
import SystemPackage

/// One line of the table: a measured value, what it is compared with, and what was hoped for.
struct Line: Codable, Sendable {
    var name: String
    var value: Double
    var unit: String
    /// Of the reference measured in the same run.
    var ratio: Double?
    var target: String?
    var isMet: Bool?
}

/// What is measured. Each starts its own servers and workers, and ends them.
struct Measurements: Sendable {
    let program: FilePath
    let rawLimit: RawLimit
    let concurrency: Int

    /// Starts servers and workers, measures, and ends them whatever comes of it.
    private func measure<Value: Sendable>(
        _ store: StoreKind,
        workers: Int,
        change: (inout Arena.Options) -> Void = { _ in },
        _ body: (Arena, Upstream) async throws -> Value
    ) async throws -> Value {
        var options = Arena.Options(program: program, store: store, workers: workers, concurrency: concurrency)
        change(&options)
        let arena = try await Arena.start(options)
        do {
            let upstream = try await Upstream(arena)
            let value = try await body(arena, upstream)
            await upstream.close()
            try await arena.stop()
            return value
        } catch {
            try? await arena.stop(drains: false)
            throw error
        }
    }

    /// Images a second through all steps beside the raw limit, measured before and after on the same broker.
    func orchestration(_ images: Int, _ store: StoreKind, workers: Int) async throws -> [Line] {
        let (rate, limit, busy, memory) = try await measure(store, workers: workers) { arena, upstream in
            let warmUp = images / 20 + 1
            _ = try await upstream.run(0..<warmUp)
            let before = try await rawLimit.measure(images, on: arena.broker, in: arena.folder)
            let seconds = arena.workerSeconds
            let duration = try await upstream.run(warmUp..<warmUp + images)
            let busy = arena.workerSeconds - seconds
            let after = try await rawLimit.measure(images, on: arena.broker, in: arena.folder)
            return (Double(images) / duration.inSeconds, (before + after) / 2, busy, arena.workerMemory)
        }
        let name = "orchestration, \(store.rawValue), \(workers) worker\(workers == 1 ? "" : "s")"
        return [
            Line(name: "raw limit beside it", value: limit, unit: "messages/s"),
            Line(
                name: name,
                value: rate,
                unit: "images/s",
                ratio: rate / limit,
                target: "≥ 0.25 of the raw limit",
                isMet: rate / limit >= 0.25
            ),
            Line(name: "\(name): processor time of the workers", value: busy / Double(images) * 1000, unit: "ms/image"),
            Line(name: "\(name): most memory of a worker", value: Double(memory) / 1_048_576, unit: "MiB"),
        ]
    }

    /// From the publish of a request to the event that says Available, one image at a time in an idle system.
    func latency(_ images: Int, _ store: StoreKind) async throws -> [Line] {
        let taken = try await measure(store, workers: 1) { _, upstream in
            var taken: [Double] = []
            for number in 0..<images + 20 {
                let duration = try await upstream.run(number..<number + 1)
                // The first ones find connections, statements and pages not yet there.
                if number >= 20 { taken.append(duration.inSeconds * 1000) }
            }
            return taken.sorted()
        }
        let (median, tail) = (taken[taken.count / 2], taken[taken.count * 99 / 100])
        let name = "one image in an idle system, \(store.rawValue)"
        return [
            Line(name: "\(name), p50", value: median, unit: "ms", target: "≤ 15 ms", isMet: median <= 15),
            Line(name: "\(name), p99", value: tail, unit: "ms", target: "≤ 40 ms", isMet: tail <= 40),
        ]
    }

    /// Throughput with many requests queued: it must not depend on how many wait.
    func backlog(_ depths: [Int], measuring images: Int, _ store: StoreKind) async throws -> [Line] {
        var rates: [Double] = []
        var memory = 0
        for depth in depths {
            let intakeLimit = max(depth * 2, 100_000)
            let (rate, used) = try await measure(store, workers: 0) {
                $0.intakeLimit = intakeLimit
            } _: { arena, upstream in
                try await upstream.publish(0..<depth)
                try await arena.startWorkers(1)
                // The first images fill the pipeline.
                let ramp = min(images, depth) / 5
                try await upstream.waitForAvailable(ramp)
                let started = ContinuousClock.now
                let measured = min(images, depth) - ramp
                try await upstream.waitForAvailable(measured)
                return (Double(measured) / (ContinuousClock.now - started).inSeconds, arena.workerMemory)
            }
            rates.append(rate)
            memory = max(memory, used)
        }
        let first = rates.first ?? 1
        let isFlat = (rates.max() ?? 0) <= (rates.min() ?? 0) * 1.15
        return zip(depths, rates).map { depth, rate in
            Line(
                name: "backlog of \(depth) requests, \(store.rawValue)",
                value: rate,
                unit: "images/s",
                ratio: rate / first,
                target: "within 15 % of each other",
                isMet: isFlat
            )
        } + [
            Line(
                name: "backlog: most memory of a worker",
                value: Double(memory) / 1_048_576,
                unit: "MiB",
                target: "≤ 64 MiB",
                isMet: memory <= 64 << 20
            )
        ]
    }

    /// With 200 ms of work a step and one job at a time in each lane, twice the workers must do twice the work.
    func scaling(_ workers: [Int], imagesEach: Int, _ store: StoreKind) async throws -> [Line] {
        var lines: [Line] = []
        var single = 1.0
        for count in workers {
            let rate = try await measure(store, workers: count) {
                $0.concurrency = 1
                $0.delay = .milliseconds(200)
            } _: { _, upstream in
                let images = imagesEach * count
                try await upstream.publish(0..<images)
                // The first rounds fill the pipeline.
                try await upstream.waitForAvailable(count * 2)
                let started = ContinuousClock.now
                try await upstream.waitForAvailable(images - count * 2)
                return Double(images - count * 2) / (ContinuousClock.now - started).inSeconds
            }
            if count == workers.first { single = rate / Double(count) }
            let ratio = rate / (single * Double(count))
            lines.append(
                Line(
                    name: "scaling, \(count) worker\(count == 1 ? "" : "s"), \(store.rawValue)",
                    value: rate,
                    unit: "images/s",
                    ratio: ratio,
                    target: "≥ 0.9 of linear",
                    isMet: ratio >= 0.9
                )
            )
        }
        return lines
    }
}
