import AMQPClient
import SystemPackage

/// What is measured. Each starts its own servers and workers, and ends them.
struct Measurements: Sendable {
    let program: FilePath
    let rawLimit: RawLimit
    let concurrency: Int

    /// Starts servers and workers, measures, and ends them whatever comes of it.
    func measure<Value: Sendable>(
        _ store: StoreKind,
        workers: Int,
        instance: Upstream.SharedInstance? = nil,
        change: (inout Arena.Options) -> Void = { _ in },
        _ body: (Arena, Upstream) async throws -> Value
    ) async throws -> Value {
        var options = Arena.Options(program: program, store: store, workers: workers, concurrency: concurrency)
        change(&options)
        let arena = try await Arena.start(options)
        do {
            let upstream = try await Upstream(arena, instance: instance)
            let value = try await body(arena, upstream)
            await upstream.close()
            try await arena.stop()
            return value
        } catch {
            try? await arena.stop(drains: false)
            throw error
        }
    }

    /// Images a second through all steps, with one worker and with two, beside the raw limit.
    ///
    /// - Parameter other: images a second of one worker on SQLite, if that was measured.
    /// - Returns: the lines, and images a second of one worker.
    func orchestration(_ images: Int, _ store: StoreKind, beside other: Double?) async throws -> ([Line], Double) {
        let one = try await orchestration(images, store, workers: 1)
        let two = try await orchestration(images, store, workers: 2)
        var lines = [one, two].flatMap { run in
            let name = "orchestration, \(store.rawValue), \(run.workers) worker\(run.workers == 1 ? "" : "s")"
            return [
                Line(name: "raw limit beside it", value: run.limit, unit: "messages/s"),
                store == .sqlite
                    ? Line(
                        name: name,
                        value: run.rate,
                        unit: "images/s",
                        ratio: run.rate / run.limit,
                        atLeast: 0.12,
                        "of the raw limit"
                    )
                    : Line(name: name, value: run.rate, unit: "images/s", ratio: run.rate / run.limit),
                Line(name: "\(name): most memory of a worker", value: Double(run.memory) / 1_048_576, unit: "MiB"),
            ]
        }
        let name = "orchestration, \(store.rawValue)"
        lines += [
            Line(
                name: "\(name): processor time of one worker",
                value: one.busy / Double(images) * 1000,
                unit: "ms/image",
                atMost: store == .sqlite ? 1.2 : 1.6
            ),
            Line(name: "\(name): processor time of two", value: two.busy / Double(images) * 1000, unit: "ms/image"),
            Line(
                name: "\(name): two workers beside one",
                value: two.rate,
                unit: "images/s",
                ratio: two.rate / one.rate,
                atLeast: 1.3,
                "of one"
            ),
        ]
        if let other {
            lines.append(
                Line(
                    name: "\(name): one worker beside SQLite",
                    value: one.rate,
                    unit: "images/s",
                    ratio: one.rate / other,
                    atLeast: 0.5,
                    "of SQLite"
                )
            )
        }
        return (lines, one.rate)
    }

    private struct Orchestration {
        var workers: Int
        /// Images a second.
        var rate: Double
        /// Messages a second of the raw limit, measured before and after on the same broker.
        var limit: Double
        /// Processor time of the workers, in seconds.
        var busy: Double
        /// Bytes.
        var memory: Int
    }

    private func orchestration(_ images: Int, _ store: StoreKind, workers: Int) async throws -> Orchestration {
        try await measure(store, workers: workers) { arena, upstream in
            let warmUp = images / 20 + 1
            _ = try await upstream.run(0..<warmUp)
            let before = try await rawLimit.measure(images, on: arena.broker, in: arena.folder)
            let seconds = arena.workerSeconds
            let duration = try await upstream.run(warmUp..<warmUp + images)
            let busy = arena.workerSeconds - seconds
            let after = try await rawLimit.measure(images, on: arena.broker, in: arena.folder)
            return Orchestration(
                workers: workers,
                rate: Double(images) / duration.inSeconds,
                limit: (before + after) / 2,
                busy: busy,
                memory: arena.workerMemory
            )
        }
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
        let (most, mostInTail) = store == .sqlite ? (5.0, 10.0) : (8.0, 15.0)
        return [
            Line(name: "\(name), p50", value: median, unit: "ms", atMost: most),
            Line(name: "\(name), p99", value: tail, unit: "ms", atMost: mostInTail),
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
        let isFlat = (rates.max() ?? 0) <= (rates.min() ?? 0) * 1.1
        return zip(depths, rates).map { depth, rate in
            Line(
                name: "backlog of \(depth) requests, \(store.rawValue)",
                value: rate,
                unit: "images/s",
                ratio: rate / first,
                target: "within 10 % of each other",
                isMet: isFlat
            )
        } + [
            Line(name: "backlog: most memory of a worker", value: Double(memory) / 1_048_576, unit: "MiB", atMost: 64)
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
            let name = "scaling, \(count) worker\(count == 1 ? "" : "s"), \(store.rawValue)"
            lines.append(Line(name: name, value: rate, unit: "images/s", ratio: ratio, atLeast: 0.95, "of linear"))
        }
        return lines
    }

    /// Five images of one instance with real disks, asked for at once, beside one after the other: an image waits for
    /// the captures of those before it, and must not wait longer.
    func line(_ rounds: Int, _ store: StoreKind) async throws -> [Line] {
        let instance = Upstream.SharedInstance(id: "i-line", owner: "local")
        let images = 5
        let (alone, together, overtakers) = try await measure(store, workers: 0, instance: instance) {
            $0.hasDisks = true
        } _: { arena, upstream in
            try await arena.run(["instance", "sample", "--id", instance.id, "--data-disks", "1"])
            try await arena.startWorkers(1)
            try await arena.run(["quota", "set", "--images", "100000", "--snapshots", "100000"])
            // The first one finds the disks not in memory.
            _ = try await upstream.run(0..<1)
            var number = 1
            var (alone, together, overtakers) = (0.0, 0.0, 0)
            for _ in 0..<rounds {
                for number in number..<number + images {
                    alone += try await upstream.run(number..<number + 1).inSeconds
                }
                number += images
                let (duration, captured) = try await upstream.follow(number..<number + images)
                together += duration.inSeconds
                overtakers += zip(captured, captured.dropFirst()).filter { $0 > $1 }.count
                number += images
            }
            return (alone, together, overtakers)
        }
        let name = "\(images) images of one instance, \(store.rawValue)"
        let one = { $0 / Double(rounds) * 1000 }
        return [
            Line(name: "\(name): one after the other", value: one(alone), unit: "ms"),
            Line(
                name: "\(name): asked for at once",
                value: one(together),
                unit: "ms",
                ratio: together / alone,
                atMost: 1.1,
                "of that"
            ),
            Line(
                name: "\(name): captured out of order",
                value: Double(overtakers),
                unit: "images",
                atMost: 0
            ),
        ]
    }
}
