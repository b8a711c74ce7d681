import ImageCore

/// Which dead letters are asked for; `nil` is every one.
struct DeadLetterFilter: Hashable {
    var kind: DeadLetter.Kind?
    /// Those that wait for a human, unless another state is asked for.
    var state: DeadLetter.State? = .open
    var owner: Owner?

    init() {}

    /// As the fields of a form or an address say it; `nil` when one of them cannot be.
    init?(_ fields: FormFields) {
        if let text = fields["kind"], !text.isEmpty {
            guard let kind = DeadLetter.Kind(rawValue: text) else { return nil }
            self.kind = kind
        }
        if let text = fields["state"], !text.isEmpty, text != Self.every {
            guard let state = DeadLetter.State(rawValue: text) else { return nil }
            self.state = state
        } else if fields["state"] == Self.every {
            state = nil
        }
        if let text = fields["owner"], !text.isEmpty {
            guard let owner = Owner(text) else { return nil }
            self.owner = owner
        }
    }

    static let every = "all"

    var fields: [(String, String)] {
        let state: String? = self.state == .open ? nil : self.state?.rawValue ?? Self.every
        return [("kind", kind?.rawValue), ("state", state), ("owner", owner?.text)]
            .compactMap { name, value in value.map { (name, $0) } }
    }

    func query(limit: Int) -> DeadLetterQuery {
        var query = DeadLetterQuery(
            kinds: kind.map { [$0] } ?? Set(DeadLetter.Kind.allCases),
            states: state.map { [$0] } ?? [],
            limit: limit
        )
        query.owner = owner
        return query
    }
}

extension DeadLetter {
    /// What it is about, for people.
    var what: String {
        if let job { return job.title }
        return kind == .unrouted ? "Message for no queue" : "Message"
    }

    var mark: Mark {
        switch state {
        case .open: Mark(.warning, "Open")
        case .replayed: Mark(.busy, "Replayed")
        case .discarded: Mark(.off, "Discarded")
        case .settled: Mark(.good, "Settled")
        }
    }
}

/// Dead letters and parked messages: what only a human can judge.
struct DeadLettersPage {
    static let limit = 200

    let deadLetters: [DeadLetter]

    static func filterForm(_ filter: DeadLetterFilter) -> HTML {
        .joined([
            tag(.h1) { "Dead and parked" },
            tag(
                .form,
                .class("filter"),
                Attribute("method", "get"),
                .action(.deadLetters(DeadLetterFilter())),
                Attribute("role", "search")
            ) {
                tag(.label, Attribute("for", "kind")) { "Kind" }
                choice(
                    "kind",
                    [("", "All")] + DeadLetter.Kind.allCases.map { ($0.rawValue, $0.rawValue) },
                    filter.kind?.rawValue ?? ""
                )
                tag(.label, Attribute("for", "state")) { "State" }
                choice(
                    "state",
                    DeadLetter.State.allCases.map { ($0.rawValue, $0.rawValue) } + [(DeadLetterFilter.every, "all")],
                    filter.state?.rawValue ?? DeadLetterFilter.every
                )
                Form.field(
                    "Owner",
                    "owner",
                    .value(filter.owner?.text ?? ""),
                    Attribute("maxlength", 63),
                    Attribute("autocomplete", "off")
                )
                tag(.button, .type("submit")) { "Show" }
            },
        ])
    }

    private static func choice(_ name: String, _ options: [(value: String, word: String)], _ chosen: String) -> HTML {
        tag(.select, .id(name), .name(name)) {
            for option in options {
                option.value == chosen
                    ? tag(.option, .value(option.value), Attribute("selected")) { option.word }
                    : tag(.option, .value(option.value)) { option.word }
            }
        }
    }

    var html: HTML {
        guard !deadLetters.isEmpty else { return tag(.p, .class("empty")) { "Nothing of this kind." } }
        return .joined([
            DataTable(
                caption: "The one that has waited longest first",
                columns: ["What", "State", "Kind", "Owner", "Cause", "Came", "Replays", "Last (UTC)"],
                rows: deadLetters.map { deadLetter in
                    [
                        .html(
                            .joined([
                                tag(.a, .href(.deadLetter(deadLetter.id))) { deadLetter.what },
                                tag(.small, .class("clipped")) { deadLetter.reason },
                            ])
                        ),
                        .mark(deadLetter.mark), .text(deadLetter.kind.rawValue), .text(deadLetter.owner?.text),
                        .code(deadLetter.cause),
                        .number(deadLetter.arrivals == 1 ? "once" : "\(deadLetter.arrivals) times"),
                        .number(String(deadLetter.replays)), .html(Words.moment(deadLetter.lastAt)),
                    ]
                }
            ).html,
            deadLetters.count == Self.limit
                ? tag(.p, .class("empty")) { "There may be more; ask for one kind, or use the command line." }
                : .nothing,
        ])
    }
}

/// One dead letter, and what may be done with it.
struct DeadLetterPage {
    let file: DeadLetterFile
    let role: Role

    private var deadLetter: DeadLetter { file.deadLetter }

    var html: HTML { .joined([heading, message, history]) }

    private var heading: HTML {
        tag(.section, .class("head")) {
            tag(.p, .class("over")) {
                tag(.a, .href(.deadLetters(DeadLetterFilter()))) { "Dead and parked" }
                tag(.span, .hidden) { " / " }
                tag(.code) { deadLetter.id.text }
            }
            tag(.h1) {
                deadLetter.what
                deadLetter.mark.html
            }
            tag(.p, .class("lead")) { Words.sentence(deadLetter.reason) }
            if let advice = deadLetter.advice {
                tag(.p, .class("advice")) {
                    tag(.strong) { "What to do: " }
                    Words.sentence(advice)
                }
            }
            tag(.dl, .class("facts")) {
                fact("Kind") { deadLetter.kind.rawValue }
                fact("Cause") { tag(.code) { deadLetter.cause } }
                if let image = deadLetter.image {
                    fact("Image") { image.link }
                }
                if let owner = deadLetter.owner { fact("Owner") { owner.text } }
                if let attempts = deadLetter.attempts { fact("Attempts") { String(attempts) } }
                fact("Came") { Words.count(deadLetter.arrivals, "time") }
                fact("First") { Words.moment(deadLetter.firstAt) }
                fact("Last") { Words.moment(deadLetter.lastAt) }
                fact("Replays") { String(deadLetter.replays) }
            }
            if role == .operator, deadLetter.state == .open {
                tag(.p, .class("buttons")) {
                    tag(.a, .href(.replay(deadLetter.id)), .class("button")) { "Replay…" }
                    tag(.a, .href(.discard(deadLetter.id)), .class("button quiet")) { "Discard…" }
                }
            }
        }
    }

    private var message: HTML {
        guard let message = file.message else { return .nothing }
        return tag(.section) {
            tag(.h2) { "Message" }
            tag(.dl, .class("facts")) {
                fact("Routing key") { tag(.code) { PlainText.sentence(message.routingKey) } }
                if let kind = message.contentType { fact("Type") { tag(.code) { PlainText.sentence(kind) } } }
                if let id = message.messageID { fact("Id") { tag(.code) { PlainText.sentence(id) } } }
                if let place = message.replyTo { fact("Reply to") { tag(.code) { PlainText.sentence(place) } } }
                if let size = message.bodyBytes {
                    fact("Body, \(size) bytes") {
                        "too large to be kept with the dead letter; the reason says where it is"
                    }
                } else {
                    fact("Body, \(message.body.count) bytes") { tag(.code) { PlainText.sentence(message.body) } }
                }
            }
        }
    }

    private var history: HTML {
        tag(.section) {
            DataTable(
                caption: "History",
                columns: ["What", "Time (UTC)", "Who", "Note"],
                rows: file.events.map { event in
                    [.text(event.action.rawValue), .html(Words.moment(event.at)), .text(event.who), .text(event.note)]
                }
            ).html
        }
    }

    // MARK: Decisions

    static func replayForm(_ deadLetter: DeadLetter, token: String) -> HTML {
        confirmation("Replay this?", deadLetter) {
            tag(.p) {
                deadLetter.kind == .dead
                    ? "Its image is tried again from its beginning, as if its owner had asked for it. A worker takes it up within seconds."
                    : "Its message is put back into the queue it was meant for, by a worker, within seconds."
            }
            Form.post(to: .replay(deadLetter.id), token: token, .class("card")) {
                if deadLetter.replays >= DeadLetter.replayLimit {
                    tag(.label, .class("check")) {
                        tag(.input, .type("checkbox"), .name("force"), .value("yes"), Attribute("required"))
                        "Again, though it came back \(deadLetter.replays) times"
                    }
                }
                tag(.div, .class("buttons")) {
                    tag(.button, .type("submit")) { "Replay" }
                    tag(.a, .href(.deadLetter(deadLetter.id))) { "Back" }
                }
            }
        }
    }

    static func discardForm(_ deadLetter: DeadLetter, token: String) -> HTML {
        confirmation("Discard this?", deadLetter) {
            tag(.p) { "It stays to be looked at, marked with your name, and nothing is done about it any more." }
            Form.post(to: .discard(deadLetter.id), token: token, .class("card")) {
                Form.field(
                    "Why (for the history)",
                    "note",
                    Attribute("maxlength", 200),
                    Attribute("autocomplete", "off")
                )
                tag(.div, .class("buttons")) {
                    tag(.button, .type("submit"), .class("grave")) { "Discard" }
                    tag(.a, .href(.deadLetter(deadLetter.id))) { "Back" }
                }
            }
        }
    }

    private static func confirmation(_ question: String, _ deadLetter: DeadLetter, @HTMLBuilder content: () -> HTML)
        -> HTML
    {
        .joined([
            tag(.h1) { question },
            tag(.p, .class("lead")) {
                "\(deadLetter.what), "
                Words.sentence(deadLetter.reason)
            },
            content(),
        ])
    }
}
