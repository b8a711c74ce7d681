import ArgumentParser
import Foundation
import GoldsmithTestSupport
import SystemPackage
import UnixSignals

/// Runs the built program with real servers, injects faults, and judges the outcome of each request.
@main
struct Chaos: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "goldsmith-chaos",
        abstract: "Real workers, broker, database and disks under faults; then a verdict.",
        discussion: """
            Progress goes to standard error, one line of JSON to standard output. Exit code 0: nothing was lost, nothing is
            stuck, nothing was left behind; 1: something was, and the folder of the run is kept.

            Examples:
              goldsmith-chaos --program .build/debug/goldsmith
              goldsmith-chaos --program .build/release/goldsmith --images 10000 --seconds 600 --seed 7
              goldsmith-chaos --program .build/debug/goldsmith --cluster
            """
    )

    @Option(help: "The built goldsmith.") var program: String
    @Option(help: "How many images are asked for, 20 to 1000000.") var images = 2000
    @Option(help: "How long faults happen, 10 to 86400.") var seconds = 150
    @Option(help: "What decides requests, faults and times. Default: a new one each time.") var seed: UInt64?
    @Option(help: "The workers' database: postgresql or sqlite.") var store = StoreKind.postgresql
    @Flag(help: "Three RabbitMQ nodes, of which the one that leads a queue is killed every 20 seconds.")
    var cluster = false
    @Option(help: "Seconds the end may take after the last fault. Default: 300, and 30 ms for each image.")
    var timeout: Int?
    @Flag(help: "Keep the folder of the run.") var keep = false

    func validate() throws {
        guard (20...1_000_000).contains(images), (10...86_400).contains(seconds) else {
            throw ValidationError("--images must be 20 to 1000000, --seconds 10 to 86400")
        }
    }

    func run() async throws {
        let plan = ChaosPlan(
            program: FilePath(URL(fileURLWithPath: program).path),
            images: images,
            time: .seconds(seconds),
            seed: seed ?? UInt64.random(in: 1...999_999_999),
            store: store,
            isCluster: cluster,
            // The slowest way back from a lost message takes over two minutes.
            timeout: timeout.map { .seconds($0) } ?? .seconds(300) + .milliseconds(30 * images)
        )
        let folder = FilePath("/tmp/goldsmith-chaos-\(getpid())")
        try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
        Progress.say("seed \(plan.seed), \(plan.images) images, faults for \(seconds) s, in \(folder)")
        do {
            let verdict = try await verdict(plan, in: folder)
            print(try verdict.line())
            if let complaint = verdict.complaint { throw ChaosFailure(complaint) }
        } catch {
            Progress.say("FAILED: \(error)")
            Progress.say("the folder is kept: \(folder); the same script again: --seed \(plan.seed)")
            throw ExitCode.failure
        }
        Progress.say("nothing lost, nothing stuck, nothing left behind")
        if !keep { try FileManager.default.removeItem(atPath: folder.string) }
    }
}

extension Chaos {
    /// Ctrl-C ends the run in order: servers and workers are stopped, and nothing stays mounted.
    private func verdict(_ plan: ChaosPlan, in folder: FilePath) async throws -> Verdict {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        return try await withThrowingTaskGroup(of: Verdict.self) { group in
            group.addTask { try await ChaosRun(plan, in: folder).verdict() }
            group.addTask {
                for await _ in signals { break }
                throw ChaosFailure("interrupted")
            }
            defer { group.cancelAll() }
            guard let verdict = try await group.next() else { throw ChaosFailure("interrupted") }
            return verdict
        }
    }
}

/// The size and shape of a run.
struct ChaosPlan: Sendable {
    var program: FilePath
    var images: Int
    var time: Duration
    var seed: UInt64
    var store: StoreKind
    var isCluster: Bool
    /// How long the end may take after the last fault.
    var timeout: Duration

    /// How many of the images are of instances with real disks. A hundred take half a minute of this run's machine.
    var realImages: Int { min(max(10, images / 20), 100) }

    var asks: [Ask] {
        var source = AskSource(seed: seed)
        var asks = (0..<(images - realImages)).map { source.bulk($0) }
        asks += (0..<realImages).map { source.real($0, instances: Stage.instanceCount) }
        var generator = SeededGenerator(seed: seed &+ 1)
        return asks.shuffled(using: &generator)
    }
}

/// The databases that can be chosen.
enum StoreKind: String, CaseIterable, ExpressibleByArgument, Sendable {
    case postgresql
    case sqlite

    func start(below folder: FilePath) async throws -> any StoreSite {
        switch self {
        case .postgresql: try await PostgreSQLSite.start(below: folder)
        case .sqlite: SQLiteSite(folder)
        }
    }
}
