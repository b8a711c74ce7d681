import ArgumentParser
import ImageCore
import ImageWorker
import TerminalText

struct DeadLetterList<Family: DeadLetterFamily>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "list",
            abstract: "List what waits for a human, the oldest first.",
            discussion: """
                Examples:
                  goldsmith \(Family.name) list --group
                  goldsmith \(Family.name) list --owner acct-42 --newer-than 2h
                  goldsmith \(Family.name) list --state all --json
                """
        )
    }

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var filter: DeadLetterFilter
    @Option(
        help: "Only open, replayed, discarded or settled; or all. Default: open.",
        completion: Completions.deadLetterStates
    )
    var state = "open"
    @Option(help: "At most this many.") var limit = 100
    @Flag(help: "Count them by step and cause instead.") var group = false

    func run() async throws {
        let now = SystemTime().now()
        var query = try filter.query(Family.kinds, at: now)
        query.limit = limit
        if state == "all" {
            query.states = []
        } else {
            guard let known = DeadLetter.State(rawValue: state) else {
                throw CommandFailure(.usage, "--state must be all, open, replayed, discarded or settled")
            }
            query.states = [known]
        }
        let store = try await shared.settings().openStore()
        let asked = query
        if group {
            let groups = try await stored { () async throws(StoreError) in try await store.deadLetterGroups(asked) }
            return try show(groups, at: now)
        }
        let deadLetters = try await stored { () async throws(StoreError) in try await store.deadLetters(asked) }
        if output.json { return try Terminal.say(json: deadLetters) }
        guard !deadLetters.isEmpty else { return Terminal.say("nothing waits for a human") }
        var table = Table(
            "ID",
            .dropped("STATE", 4),
            "WHAT",
            .dropped("OWNER", 3),
            .dropped("CAUSE", 5),
            .dropped("CAME", 1),
            .dropped("REPLAYS", 2),
            "AGE",
            .wrapped("REASON")
        )
        for deadLetter in deadLetters {
            table.add(
                deadLetter.id.text,
                deadLetter.state.rawValue,
                deadLetter.what,
                deadLetter.owner?.text ?? "–",
                deadLetter.cause,
                deadLetter.arrivals == 1 ? "once" : "\(deadLetter.arrivals)×",
                String(deadLetter.replays),
                Format.age(now - deadLetter.lastAt),
                Format.brief(deadLetter.reason)
            )
        }
        Terminal.say(table.text)
        if deadLetters.count == limit { Terminal.complain("there may be more: --limit, or --group to count them") }
    }

    private func show(_ groups: [DeadLetterGroup], at now: Timestamp) throws {
        if output.json { return try Terminal.say(json: groups) }
        guard !groups.isEmpty else { return Terminal.say("nothing waits for a human") }
        var table = Table(
            "COUNT",
            .dropped("KIND", 3),
            "STEP",
            "CAUSE",
            .dropped("OLDEST", 1),
            .dropped("NEWEST", 2),
            .wrapped("EXAMPLE")
        )
        for group in groups {
            table.add(
                String(group.count),
                group.kind.rawValue,
                group.step?.rawValue ?? "–",
                group.cause,
                Format.age(now - group.oldestAt),
                Format.age(now - group.newestAt),
                "\(group.example.id): \(Format.brief(group.example.reason))"
            )
        }
        Terminal.say(table.text)
    }
}

extension DeadLetter {
    /// What it is about, in a word.
    var what: String { job?.description ?? (kind == .unrouted ? "unrouted" : "message") }
}

struct DeadLetterShow<Family: DeadLetterFamily>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "show",
            abstract: "Show one with its message and history.",
            discussion: "Example: goldsmith \(Family.name) show \(Family.exampleID)"
        )
    }

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @Flag(help: "Write the message's body and nothing else, byte for byte.") var body = false
    @Argument(help: "The dead letter's id.", completion: Completions.deadLetters(Family.kinds)) var id: String

    func run() async throws {
        let id: DeadLetterID = try identifier(id, "the dead letter's id")
        let store = try await shared.settings().openStore()
        let file = try await stored { () async throws(StoreError) in try await store.deadLetter(id) }
        guard let file, Family.kinds.contains(file.deadLetter.kind) else {
            throw CommandFailure(
                .notFound,
                "there is no \(Family.name) dead letter \(id)",
                advice: "`list` shows all of them"
            )
        }
        if body {
            guard let message = file.message else {
                throw CommandFailure(
                    .notFound,
                    "\(id) has no message: its job is in the store",
                    advice: "`goldsmith \(Family.name) show \(id)` shows what is known of it"
                )
            }
            guard message.bodyBytes == nil else {
                throw CommandFailure(
                    .notFound,
                    "the body of \(id) is too large for the store: \(file.deadLetter.reason)",
                    advice: "take it out of that queue with RabbitMQ's own tools"
                )
            }
            return Terminal.write(bytes: message.body)
        }
        if output.json { return try Terminal.say(json: file) }
        Terminal.say(text(of: file))
    }

    private func text(of file: DeadLetterFile) -> String {
        let deadLetter = file.deadLetter
        var lines = [
            Terminal.paint(deadLetter.id.text, .strong),
            "  state     \(deadLetter.state.rawValue)",
            "  what      \(deadLetter.what)",
        ]
        if let image = deadLetter.image { lines.append("  image     \(image)") }
        if let owner = deadLetter.owner { lines.append("  owner     \(owner)") }
        if let attempts = deadLetter.attempts { lines.append("  attempts  \(attempts)") }
        lines += ["  cause     \(deadLetter.cause)", "  reason    \(deadLetter.reason)"]
        if let advice = deadLetter.advice { lines.append("  advice    \(advice)") }
        lines += [
            "  came      \(deadLetter.arrivals)×, first \(Format.moment(deadLetter.firstAt)), last \(Format.moment(deadLetter.lastAt))",
            "  replays   \(deadLetter.replays)",
        ]
        if let message = file.message {
            lines += ["", "Message", "  key       \(PlainText.word(message.routingKey))"]
            let properties = [
                ("type      ", message.contentType), ("id        ", message.messageID),
                ("reply to  ", message.replyTo), ("answers   ", message.correlationID),
            ]
            for (name, value) in properties {
                guard let value else { continue }
                lines.append("  \(name)\(PlainText.sentence(value))")
            }
            lines.append(
                message.bodyBytes.map { "  body      \($0) bytes, not in the store" }
                    ?? "  body      \(message.body.count) bytes: \(PlainText.sentence(message.body))"
            )
        }
        var table = Table("AT", "WHO", "WHAT", .wrapped("NOTE"))
        for event in file.events {
            table.add(
                Format.cell(event.at),
                .init(event.who),
                .init(event.action.rawValue),
                .init(event.note ?? "")
            )
        }
        return (lines + ["", "History", table.text]).joined(separator: "\n")
    }
}
