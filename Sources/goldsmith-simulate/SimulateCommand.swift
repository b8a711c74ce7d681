import ArgumentParser
import Foundation
import ImageSimulation
import TerminalText

@main
struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "goldsmith-simulate",
        abstract: "Run the workers' own code in virtual time against everything that can go wrong.",
        discussion: """
            Each seed is another story: messages lost, doubled and late, workers that die or stand still, a store and a \
            compute system that fail. The same seed is the same story in every run of the same build.

            Examples:
              goldsmith-simulate --seeds 200                    seeds 1 to 200
              goldsmith-simulate --seed 17 --trace              one story, line by line
              goldsmith-simulate --seeds 50 --faults crash,lost with these faults only

            Faults: \(FaultKind.allCases.map(\.rawValue).joined(separator: ", ")).
            """
    )

    @Option(help: "The first seed.")
    var seed: UInt64 = 1
    @Option(help: "How many seeds, from the first on.")
    var seeds: Int = 1
    @Option(help: "Images asked for in each.")
    var images: Int = 3
    @Option(help: "Faults by name, separated by commas; none is none. Default: all.")
    var faults: String?
    @Flag(help: "Print each line of what happens.")
    var trace = false
    @Flag(help: "Print JSON for programs, instead of text for people.")
    var json = false

    func validate() throws {
        guard seeds >= 1, seeds <= 10_000_000 else { throw ValidationError("--seeds: 1 to 10000000") }
        guard images >= 1, images <= 1000 else { throw ValidationError("--images: 1 to 1000") }
        guard !seed.addingReportingOverflow(UInt64(seeds)).overflow else {
            throw ValidationError("--seed is too large")
        }
        _ = try kinds()
    }

    private func kinds() throws -> Set<FaultKind> {
        guard let faults else { return Set(FaultKind.allCases) }
        if faults == "none" { return [] }
        return Set(
            try faults.split(separator: ",").map { name in
                guard let kind = FaultKind(rawValue: String(name)) else {
                    throw ValidationError(
                        "--faults: there is no fault \(name); choose among "
                            + FaultKind.allCases.map(\.rawValue).joined(separator: ", ")
                    )
                }
                return kind
            }
        )
    }

    func run() throws {
        var options = SimulationOptions()
        options.images = images
        options.faults = try kinds()
        let echo: (@Sendable (String) -> Void)? = trace ? Terminal.complain : nil
        var summary = SimulationSummary()
        for number in seed..<(seed + UInt64(seeds)) {
            let outcome = Simulation.run(seed: number, options, echo: echo)
            summary.add(outcome)
            if Terminal.isInteractive, !json {
                Terminal.write("\rseed \(number), \(summary.seeds) of \(seeds)\u{1B}[K")
            }
            if outcome.violation != nil { break }
        }
        if Terminal.isInteractive, !json { Terminal.write("\r\u{1B}[K") }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            Terminal.write(String(decoding: try encoder.encode(summary), as: UTF8.self) + "\n")
        } else {
            Terminal.say(summary.text(replay: { self.replay($0) }))
        }
        if summary.failed != nil { throw ExitCode.failure }
    }

    private func replay(_ seed: UInt64) -> String {
        let chosen = faults.map { " --faults \($0)" } ?? ""
        return "goldsmith-simulate --seed \(seed) --images \(images)\(chosen) --trace"
    }
}

/// What many seeds came to.
private struct SimulationSummary: Encodable {
    var seeds = 0
    var requests = 0
    var rejected = 0
    var available = 0
    var error = 0
    var virtualHours = 0.0
    var steps = 0
    var faults: [String: Int] = [:]
    /// Of all traces: the same for two runs exactly when they did the same.
    var traceHash: UInt64 = 0
    var failed: SimulationOutcome?

    mutating func add(_ outcome: SimulationOutcome) {
        seeds += 1
        requests += outcome.requests
        rejected += outcome.rejected
        available += outcome.available
        error += outcome.error
        virtualHours += outcome.seconds / 3600
        steps += outcome.steps
        traceHash = traceHash &* 31 &+ outcome.traceHash
        for (fault, count) in outcome.faults { faults[fault.rawValue, default: 0] += count }
        if outcome.violation != nil { failed = outcome }
    }

    func text(replay: (UInt64) -> String) -> String {
        var lines = [
            "\(seeds) seeds, \(requests) requests: \(available) available, \(error) error, \(rejected) rejected",
            "\(Int(virtualHours)) hours of virtual time, \(steps) steps, trace \(String(traceHash, radix: 16))",
        ]
        var table = Table("FAULT", "STRUCK")
        for (name, count) in faults.sorted(by: { $0.key < $1.key }) { table.add(name, String(count)) }
        if !faults.isEmpty { lines.append(table.text) }
        if let failed, let violation = failed.violation {
            lines += failed.lastLines
            lines.append(Terminal.paint("seed \(failed.seed) violates: \(violation.invariant.rawValue)", .bad))
            lines.append("  \(violation.details)")
            lines.append("  → replay: \(replay(failed.seed))")
        } else {
            lines.append(Terminal.paint("every invariant held", .good))
        }
        return lines.joined(separator: "\n")
    }
}
