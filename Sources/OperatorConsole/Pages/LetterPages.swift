import ImageCore

/// Which letters are asked for; `nil` is every one.
struct LetterFilter: Hashable {
    var kind: Letter.Kind?
    /// Those that wait for a human, unless another state is asked for.
    var state: Letter.State? = .open
    var owner: Owner?

    init() {}

    /// As the fields of a form or an address say it; `nil` when one of them cannot be.
    init?(_ fields: FormFields) {
        if let text = fields["kind"], !text.isEmpty {
            guard let kind = Letter.Kind(rawValue: text) else { return nil }
            self.kind = kind
        }
        if let text = fields["state"], !text.isEmpty, text != Self.every {
            guard let state = Letter.State(rawValue: text) else { return nil }
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

    func query(limit: Int) -> LetterQuery {
        var query = LetterQuery(
            kinds: kind.map { [$0] } ?? Set(Letter.Kind.allCases),
            states: state.map { [$0] } ?? [],
            limit: limit
        )
        query.owner = owner
        return query
    }
}

extension Letter {
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
struct LettersPage {
    static let limit = 200

    let letters: [Letter]

    static func filterForm(_ filter: LetterFilter) -> HTML {
        .joined([
            tag(.h1) { "Dead and parked" },
            tag(
                .form,
                .class("filter"),
                Attribute("method", "get"),
                .action(.letters(LetterFilter())),
                Attribute("role", "search")
            ) {
                tag(.label, Attribute("for", "kind")) { "Kind" }
                choice(
                    "kind",
                    [("", "All")] + Letter.Kind.allCases.map { ($0.rawValue, $0.rawValue) },
                    filter.kind?.rawValue ?? ""
                )
                tag(.label, Attribute("for", "state")) { "State" }
                choice(
                    "state",
                    Letter.State.allCases.map { ($0.rawValue, $0.rawValue) } + [(LetterFilter.every, "all")],
                    filter.state?.rawValue ?? LetterFilter.every
                )
                tag(.label, Attribute("for", "owner")) { "Owner" }
                tag(
                    .input,
                    .id("owner"),
                    .name("owner"),
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
        guard !letters.isEmpty else { return tag(.p, .class("empty")) { "Nothing of this kind." } }
        return .joined([
            DataTable(
                caption: "The one that has waited longest first",
                columns: ["What", "State", "Kind", "Owner", "Cause", "Came", "Replays", "Last (UTC)"],
                rows: letters.map { letter in
                    [
                        .html(
                            .joined([
                                tag(.a, .href(.letter(letter.id))) { letter.what },
                                tag(.small, .class("clipped")) { letter.reason },
                            ])
                        ),
                        .mark(letter.mark), .text(letter.kind.rawValue), .text(letter.owner?.text), .code(letter.cause),
                        .number(letter.arrivals == 1 ? "once" : "\(letter.arrivals) times"),
                        .number(String(letter.replays)), .html(Words.moment(letter.lastAt)),
                    ]
                }
            ).html,
            letters.count == Self.limit
                ? tag(.p, .class("empty")) { "There may be more; ask for one kind, or use the command line." }
                : .nothing,
        ])
    }
}

/// One letter, and what may be done with it.
struct LetterPage {
    let file: LetterFile
    let role: Role

    private var letter: Letter { file.letter }

    var html: HTML { .joined([heading, message, history]) }

    private var heading: HTML {
        tag(.section, .class("head")) {
            tag(.p, .class("over")) {
                tag(.a, .href(.letters(LetterFilter()))) { "Dead and parked" }
                tag(.span, .hidden) { " / " }
                tag(.code) { letter.id.text }
            }
            tag(.h1) {
                letter.what
                letter.mark.html
            }
            tag(.p, .class("lead")) { Words.sentence(letter.reason) }
            if let advice = letter.advice {
                tag(.p, .class("advice")) {
                    tag(.strong) { "What to do: " }
                    Words.sentence(advice)
                }
            }
            tag(.dl, .class("facts")) {
                fact("Kind") { letter.kind.rawValue }
                fact("Cause") { tag(.code) { letter.cause } }
                if let image = letter.image {
                    fact("Image") { image.link }
                }
                if let owner = letter.owner { fact("Owner") { owner.text } }
                if let attempts = letter.attempts { fact("Attempts") { String(attempts) } }
                fact("Came") { Words.count(letter.arrivals, "time") }
                fact("First") { Words.moment(letter.firstAt) }
                fact("Last") { Words.moment(letter.lastAt) }
                fact("Replays") { String(letter.replays) }
            }
            if role == .operator, letter.state == .open {
                tag(.p, .class("buttons")) {
                    tag(.a, .href(.replay(letter.id)), .class("button")) { "Replay…" }
                    tag(.a, .href(.discard(letter.id)), .class("button quiet")) { "Discard…" }
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
                    fact("Body, \(size) bytes") { "too large to be kept with the letter; the reason says where it is" }
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
                rows: file.marks.map { mark in
                    [.text(mark.action.rawValue), .html(Words.moment(mark.at)), .text(mark.who), .text(mark.note)]
                }
            ).html
        }
    }

    // MARK: Decisions

    static func replayForm(_ letter: Letter, token: String) -> HTML {
        confirmation("Replay this?", letter) {
            tag(.p) {
                letter.kind == .dead
                    ? "Its image is tried again from its beginning, as if its owner had asked for it. A worker takes it up within seconds."
                    : "Its message is put back into the queue it was meant for, by a worker, within seconds."
            }
            Form.post(to: .replay(letter.id), token: token, .class("card")) {
                if letter.replays >= Letter.replayLimit {
                    tag(.label, .class("check")) {
                        tag(.input, .type("checkbox"), .name("force"), .value("yes"), Attribute("required"))
                        "Again, though it came back \(letter.replays) times"
                    }
                }
                tag(.div, .class("buttons")) {
                    tag(.button, .type("submit")) { "Replay" }
                    tag(.a, .href(.letter(letter.id))) { "Leave it" }
                }
            }
        }
    }

    static func discardForm(_ letter: Letter, token: String) -> HTML {
        confirmation("Discard this?", letter) {
            tag(.p) { "It stays to be looked at, marked with your name, and nothing is done about it any more." }
            Form.post(to: .discard(letter.id), token: token, .class("card")) {
                tag(.label, Attribute("for", "note")) { "Why (for the history)" }
                tag(.input, .id("note"), .name("note"), Attribute("maxlength", 200), Attribute("autocomplete", "off"))
                tag(.div, .class("buttons")) {
                    tag(.button, .type("submit"), .class("grave")) { "Discard" }
                    tag(.a, .href(.letter(letter.id))) { "Leave it" }
                }
            }
        }
    }

    private static func confirmation(_ question: String, _ letter: Letter, @HTMLBuilder content: () -> HTML) -> HTML {
        .joined([
            tag(.h1) { question },
            tag(.p, .class("lead")) {
                "\(letter.what), "
                Words.sentence(letter.reason)
            },
            content(),
        ])
    }
}
