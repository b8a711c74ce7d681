import ArgumentParser
import ImageCore
import TerminalText

/// Dead letters that people look at together. Both families have the same commands.
protocol DeadLetterFamily: Sendable {
    static var name: String { get }
    static var kinds: Set<DeadLetter.Kind> { get }
    static var abstract: String { get }
    static var discussion: String { get }
    /// For examples.
    static var exampleID: String { get }
}

enum DeadFamily: DeadLetterFamily {
    static let name = "dead"
    static let kinds: Set<DeadLetter.Kind> = [.dead]
    static let abstract = "Jobs that failed for good: look at them, give them back to work, or close them."
    static let discussion = """
        A dead letter is written when a job makes its image Error, and is named like the image. Looking changes nothing.

        Examples:
          goldsmith dead list --group
          goldsmith dead list --step replicate --cause UNAVAILABLE --older-than 1h
        """
    static let exampleID = "img-5f0c2b7e9a41d3c8"
}

enum ParkedFamily: DeadLetterFamily {
    static let name = "parked"
    static let kinds: Set<DeadLetter.Kind> = [.parked, .unrouted]
    static let abstract = "Messages only a human can judge: look at them, put them back, or close them."
    static let discussion = """
        Workers take them off the queues for humans and write them down whole. Looking changes nothing.

        Examples:
          goldsmith parked list --group
          goldsmith parked replay --all --step clean-up --rate 5 --dry-run
        """
    static let exampleID = "msg-3c6e0b8a9c15224a8228b9a9"
}

struct DeadLettersCommand<Family: DeadLetterFamily>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: Family.name,
            abstract: Family.abstract,
            discussion: Family.discussion,
            subcommands: [
                DeadLetterList<Family>.self, DeadLetterShow<Family>.self, DeadLetterReplay<Family>.self,
                DeadLetterDiscard<Family>.self,
            ]
        )
    }
}

/// Which dead letters.
struct DeadLetterFilter: ParsableArguments {
    @Option(help: "Only of this step, such as system-disk, replicate or clean-up.", completion: Completions.steps)
    var step: String?
    @Option(help: "Only with this cause, as `list` shows it.") var cause: String?
    @Option(help: "Only this owner's.") var owner: String?
    @Option(help: ArgumentHelp("Only those that came longer ago: 30s, 5m, 2h, 3d.", valueName: "age"))
    var olderThan: String?
    @Option(help: ArgumentHelp("Only those that came since: 30s, 5m, 2h, 3d.", valueName: "age"))
    var newerThan: String?

    var isEmpty: Bool { [step, cause, owner, olderThan, newerThan].allSatisfy { $0 == nil } }

    func query(_ kinds: Set<DeadLetter.Kind>, at now: Timestamp) throws(CommandFailure) -> DeadLetterQuery {
        var query = DeadLetterQuery(kinds: kinds)
        if let step {
            guard let known = Step(rawValue: step) else {
                let all = Step.allCases.map(\.rawValue).joined(separator: ", ")
                throw CommandFailure(.usage, "--step must be one of \(all)")
            }
            query.step = known
        }
        query.cause = cause
        if let owner { query.owner = try identifier(owner, "--owner") }
        if let olderThan { query.before = now - (try age(olderThan, "--older-than")) }
        if let newerThan { query.after = now - (try age(newerThan, "--newer-than")) }
        return query
    }

    private func age(_ text: String, _ option: String) throws(CommandFailure) -> Duration {
        guard let age = Format.duration(text) else {
            throw CommandFailure(.usage, "\(option) must be a number with s, m, h or d, such as 30s, 5m, 2h or 3d")
        }
        return age
    }
}

extension Timestamp {
    fileprivate static func - (moment: Timestamp, duration: Duration) -> Timestamp { moment + (.zero - duration) }
}
