import ArgumentParser
import Foundation
import SystemPackage

/// Measures orchestration: everything but the bytes. Prints a table, and with `--json` writes the same to a file.
@main
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "goldsmith-bench",
        abstract: "Measure orchestration beside the broker's raw limit, in one run.",
        discussion: """
            Starts its own RabbitMQ, databases and workers, one measurement after the other, and ends them.

            Examples:
              goldsmith-bench --program .build/release/goldsmith --raw-limit .build/raw-limit
              goldsmith-bench --program … --raw-limit … --only latency --only scaling --json bench.json
              goldsmith-bench --program … --raw-limit … --only peers --items 5000 --rounds 3
            """
    )

    enum Measurement: String, CaseIterable, ExpressibleByArgument {
        case orchestration
        case latency
        case scaling
        case backlog
        case line
        case peers
    }

    @Option(help: "The built goldsmith to measure.") var program: String
    @Option(help: "The built raw-limit program.") var rawLimit: String
    @Option(help: "Which measurements; default: all but the peers.") var only: [Measurement] = []
    @Option(help: "Which stores; default: both.") var store: [StoreKind] = []
    @Option(help: "Images for a measurement of throughput.") var images = 3000
    @Option(help: "The worker's setting `concurrency`.") var concurrency = 16
    @Option(help: "Requests queued before the workers start.") var backlog: [Int] = [1000, 100_000, 1_000_000]
    @Option(help: "How many workers, for scaling.") var workers: [Int] = [1, 2, 4, 8, 16]
    @Option(help: "Rounds of images of one instance, and of the peers.") var rounds = 1
    @Option(help: "Items for each of the peers.") var items = 2000
    @Option(help: "Goldsmith's workers beside the peers.") var workersBesidePeers = 1
    @Option(help: "Python with the peers' packages; scripts/setup --peers installs it.")
    var python = ".build/peers-venv/bin/python"
    @Option(help: "The folder of the peers' programs.") var peerPrograms = "Benchmarks/peers"
    @Option(help: "A file for the results as JSON.") var json: String?

    func run() async throws {
        let measurements = Measurements(
            program: FilePath(program),
            rawLimit: RawLimit(program: FilePath(rawLimit)),
            concurrency: concurrency
        )
        let wanted = only.isEmpty ? Measurement.allCases.filter { $0 != .peers } : only
        let stores = store.isEmpty ? StoreKind.allCases : store
        var lines: [Line] = []
        let add = { (new: [Line]) in
            for line in new { print(line.text) }
            lines += new
        }
        if wanted.contains(.orchestration) {
            var onSQLite: Double?
            for store in stores {
                let (new, rate) = try await measurements.orchestration(images, store, beside: onSQLite)
                add(new)
                if store == .sqlite { onSQLite = rate }
            }
        }
        if wanted.contains(.latency) {
            for store in stores { add(try await measurements.latency(300, store)) }
        }
        if wanted.contains(.scaling) { add(try await measurements.scaling(workers, imagesEach: 40, stores[0])) }
        if wanted.contains(.backlog) { add(try await measurements.backlog(backlog, measuring: images, stores[0])) }
        if wanted.contains(.line) { add(try await measurements.line(rounds, stores[0])) }
        if wanted.contains(.peers) {
            let programs = PeerPrograms(python: FilePath(python), folder: FilePath(peerPrograms))
            add(
                try await measurements.peers(items, rounds: rounds, workers: workersBesidePeers, programs: programs)
            )
        }
        if let json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try encoder.encode(lines).write(to: URL(fileURLWithPath: json))
        }
    }
}

extension Bench {
    /// How far it is, apart from the table.
    static func tell(_ text: String) {
        FileHandle.standardError.write(Data("\(text)\n".utf8))
    }
}

extension StoreKind: ExpressibleByArgument {}
