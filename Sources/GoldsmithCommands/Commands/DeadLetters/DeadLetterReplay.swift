import ArgumentParser
import ImageCore
import ImageWorker
import Operations
import TerminalText

/// Which dead letters a decision is about: some by name, or all that match.
struct DeadLetterChoice: ParsableArguments {
    @Argument(help: "The dead letters' ids.", completion: Completions.deadLetters(Set(DeadLetter.Kind.allCases)))
    var ids: [String] =
        []
    @Flag(help: "All that are open, or that match the filters given.") var all = false
    @Flag(help: "Show what would be done; change nothing.") var dryRun = false
    @Option(help: ArgumentHelp("Who decides, for the history. Default: this user and host.", valueName: "name"))
    var by: String?

    /// The dead letters, the one that has waited longest first.
    func deadLetters(
        _ filter: DeadLetterFilter,
        _ kinds: Set<DeadLetter.Kind>,
        in store: any ImageStore
    ) async throws(CommandFailure) -> [DeadLetter] {
        guard ids.isEmpty == all else {
            throw CommandFailure(.usage, "name the dead letters by their ids, or use --all; `list` shows them")
        }
        guard all || filter.isEmpty else {
            throw CommandFailure(.usage, "filters go with --all, not with ids")
        }
        var query = try filter.query(kinds, at: SystemTime().now())
        query.limit = .max
        for id in ids { query.ids.append(try identifier(id, "the dead letter's id")) }
        // A dead letter that was named and is not open is reported, not skipped.
        if !all { query.states = [] }
        let asked = query
        let deadLetters = try await stored { () async throws(StoreError) in try await store.deadLetters(asked) }
        if let missing = asked.ids.first(where: { id in !deadLetters.contains { $0.id == id } }) {
            throw CommandFailure(.notFound, "there is no dead letter \(missing)", advice: "`list` shows all of them")
        }
        return deadLetters
    }

    func decider() throws(CommandFailure) -> String {
        guard let by else { return Operator.name }
        guard !by.isEmpty, by == PlainText.word(by) else {
            throw CommandFailure(.usage, "--by must be 1 to \(PlainText.wordLimit) visible characters")
        }
        return by
    }
}

/// What came of each dead letter, as `--json` prints it.
struct DeadLetterOutcome: Encodable {
    enum Result: String, Encodable {
        case done
        case wouldDo = "would-do"
        case refused
    }

    var id: DeadLetterID
    var result: Result
    var reason: String?

    init(id: DeadLetterID, result: Result, reason: String? = nil) {
        (self.id, self.result, self.reason) = (id, result, reason)
    }

    /// What a dry run says.
    init(_ id: DeadLetterID, unless refusal: DeadLetterRefusal?) {
        self.init(id: id, result: refusal == nil ? .wouldDo : .refused, reason: refusal?.shellText)
    }

    /// - Throws: exit code 4 when one was refused.
    static func tell(_ outcomes: [DeadLetterOutcome], done: String, wouldDo: String, json: Bool) throws {
        try list(outcomes, done: done, wouldDo: wouldDo, json: json)
        if outcomes.contains(where: { $0.result == .refused }) {
            throw ExitCode(CommandFailure.Kind.conflict.rawValue)
        }
    }

    /// The same, whatever came of them.
    static func list(_ outcomes: [DeadLetterOutcome], done: String, wouldDo: String, json: Bool) throws {
        if json {
            try Terminal.say(json: outcomes)
        } else {
            for outcome in outcomes {
                switch outcome.result {
                case .done: Terminal.say("\(outcome.id)  \(done)")
                case .wouldDo: Terminal.say("\(outcome.id)  \(wouldDo)")
                case .refused: Terminal.say("\(outcome.id)  refused: \(outcome.reason ?? "")")
                }
            }
            if outcomes.isEmpty { Terminal.say("nothing matches") }
        }
    }
}

struct DeadLetterReplay<Family: DeadLetterFamily>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "replay",
            abstract: "Replay: some by name, or all that match.",
            discussion: """
                Each is marked and its message written down in one step, so that a command which is stopped half way has lost \
                and doubled nothing: run it again. What came back \(DeadLetter.replayLimit) times needs --force.

                Examples:
                  goldsmith \(Family.name) replay \(Family.exampleID)
                  goldsmith \(Family.name) replay --all --cause UNAVAILABLE --rate 2 --dry-run
                """
        )
    }

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var filter: DeadLetterFilter
    @OptionGroup var choice: DeadLetterChoice
    @Option(help: "At most this many a second, 0.01 to 1000.") var rate = 10.0
    @Flag(help: "Also those that came back from every replay.") var force = false

    func run() async throws {
        guard (0.01...1000).contains(rate) else { throw CommandFailure(.usage, "--rate must be 0.01 to 1000") }
        let settings = try await shared.settings()
        let store = try await settings.openStore()
        let who = try choice.decider()
        let deadLetters = try await choice.deadLetters(filter, Family.kinds, in: store)
        if choice.dryRun {
            var outcomes: [DeadLetterOutcome] = []
            for deadLetter in deadLetters {
                let message = try await message(of: deadLetter, in: store)
                let refusal = deadLetter.refusalOfReplay(of: message, isForced: force)
                outcomes.append(DeadLetterOutcome(deadLetter.id, unless: refusal))
            }
            return try DeadLetterOutcome.tell(outcomes, done: "", wouldDo: "would be replayed", json: output.json)
        }
        let relay = try await OutboxRelay(settings, store)
        let actions = DeadLetterActions(store: store)
        var outcomes: [DeadLetterOutcome] = []
        var asked: [DeadLetter] = []
        for (index, deadLetter) in deadLetters.enumerated() {
            if index > 0 { try await Task.sleep(for: .seconds(1 / rate)) }
            let verdict = try await stored { () async throws(StoreError) in
                try await actions.replay(deadLetter.id, by: who, isForced: force, sentBy: .caller)
            }
            switch verdict {
            case .unknown: outcomes.append(.init(id: deadLetter.id, result: .refused, reason: "it is gone"))
            case .refused(let refusal):
                outcomes.append(.init(id: deadLetter.id, result: .refused, reason: refusal.shellText))
            case .done(let deadLetter, let outgoing):
                asked.append(deadLetter)
                outcomes.append(.init(id: deadLetter.id, result: .done))
                guard await relay.send(outgoing) else {
                    try DeadLetterOutcome.list(outcomes, done: "replayed", wouldDo: "", json: output.json)
                    throw CommandFailure(
                        .unavailable,
                        "the broker did not take the message of \(deadLetter.id); \(deadLetters.count - outcomes.count) are left",
                        advice: "a worker sends it when the broker takes it; then run this again for the others"
                    )
                }
            }
        }
        await relay.close()
        let replayed = asked
        let answers = try await stored { () async throws(StoreError) in
            try await actions.answers(to: replayed, by: SystemTime(), timeout: Self.timeout)
        }
        if answers.unanswered > 0 {
            Terminal.complain("\(answers.unanswered) not answered yet: is a worker running that serves 'intake'?")
        }
        for index in outcomes.indices {
            guard let no = answers.refusals[outcomes[index].id] else { continue }
            outcomes[index].result = .refused
            outcomes[index].reason = "\(no.code.rawValue): \(no.message)"
        }
        try DeadLetterOutcome.tell(outcomes, done: "replayed", wouldDo: "", json: output.json)
    }
}

extension DeadLetterReplay {
    /// What a replay would send again. A dead letter needs none: its job is in the store.
    private func message(
        of deadLetter: DeadLetter,
        in store: any ImageStore
    ) async throws(CommandFailure) -> KeptMessage? {
        guard deadLetter.kind != .dead else { return nil }
        return try await stored { () async throws(StoreError) in try await store.deadLetter(deadLetter.id) }?.message
    }

    /// How long to wait for a worker's answers. Without them the dead letters are `replayed`, and open again if
    /// refused.
    private static var timeout: Duration { .seconds(15) }
}

extension DeadLetterRefusal {
    /// With what a user at a terminal can do about it.
    var shellText: String { yieldsToForce ? "\(message); --force replays it once more" : message }
}

struct DeadLetterDiscard<Family: DeadLetterFamily>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "discard",
            abstract: "Close: some by name, or all that match. They stay, marked, under `list --state discarded`.",
            discussion: """
                Examples:
                  goldsmith \(Family.name) discard \(Family.exampleID) --note "asked the sender"
                  goldsmith \(Family.name) discard --all --older-than 7d --dry-run
                """
        )
    }

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var filter: DeadLetterFilter
    @OptionGroup var choice: DeadLetterChoice
    @Option(help: "Why, for the history.") var note: String?

    func run() async throws {
        let store = try await shared.settings().openStore()
        let who = try choice.decider()
        let actions = DeadLetterActions(store: store)
        var outcomes: [DeadLetterOutcome] = []
        for deadLetter in try await choice.deadLetters(filter, Family.kinds, in: store) {
            if choice.dryRun {
                outcomes.append(DeadLetterOutcome(deadLetter.id, unless: deadLetter.refusalOfDiscard))
                continue
            }
            let verdict = try await stored { () async throws(StoreError) in
                try await actions.discard(deadLetter.id, by: who, note: note)
            }
            switch verdict {
            case .done: outcomes.append(DeadLetterOutcome(id: deadLetter.id, result: .done))
            case .refused(let refusal):
                outcomes.append(.init(id: deadLetter.id, result: .refused, reason: refusal.shellText))
            case .unknown: outcomes.append(.init(id: deadLetter.id, result: .refused, reason: "it is gone"))
            }
        }
        try DeadLetterOutcome.tell(outcomes, done: "discarded", wouldDo: "would be discarded", json: output.json)
    }
}
