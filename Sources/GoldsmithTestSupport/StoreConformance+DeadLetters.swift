import ImageCore

extension StoreConformance {
    static let deadLetters = [
        StoreCheck("a job that makes its image Error leaves a dead letter with who, what, why and when") { fixture in
            let store = try await fixture.store()
            try await store.take()
            try await store.fail(.stopCheck, at: 5)
            let deadLetters = try await store.deadLetters(DeadLetterQuery(kinds: [.dead]))
            let deadLetter = try value(deadLetters.first)
            try expect(
                deadLetters.count == 1 && deadLetter.id.text == "img-1" && deadLetter.state == .open,
                "\(deadLetters)"
            )
            try expect(
                deadLetter.owner == Given.owner && deadLetter.job == .stopCheck && deadLetter.attempts == 1,
                "\(deadLetter)"
            )
            try expect(deadLetter.cause == "UNAVAILABLE" && deadLetter.reason == "it broke", "\(deadLetter)")
            try expect(
                deadLetter.lastAt == Given.at(5) && deadLetter.replays == 0 && deadLetter.arrivals == 1,
                "\(deadLetter)"
            )
            let again = try await store.tell(Given.buried(.stopCheck), at: 6)
            let after = try await store.deadLetters(DeadLetterQuery(kinds: [.dead]))
            try expect(!again.transition.isMoved && after == deadLetters, "a second copy of it counts: \(after)")
        },
        StoreCheck("an image that is cancelled leaves no dead letter") { fixture in
            let store = try await fixture.store()
            try await store.take()
            _ = try await store.cancel(1, request: 1)
            let deadLetters = try await store.deadLetters(DeadLetterQuery(kinds: [.dead], states: []))
            try expect(deadLetters.isEmpty, "\(deadLetters)")
        },
        StoreCheck("a replay is marked and asked for in one step, and asked for once") { fixture in
            let store = try await fixture.store()
            try await store.take()
            try await store.fail(.stopCheck)
            let before = try await store.waiting()
            guard case .done(let deadLetter, let outgoing) = try await store.replay(1, at: 9) else {
                throw ConformanceFailure("it is not replayed")
            }
            let message = try value(outgoing.first)
            try expect(outgoing.count == 1 && message.destination == .requests, "\(outgoing)")
            let request = try Request.parse(
                .retry,
                contentType: message.contentType,
                messageID: nil,
                body: Array(message.body.utf8)
            )
            try expect(
                request.identity == deadLetter.retryRequest && request.identity.owner == Given.owner,
                "\(request)"
            )
            let waiting = try await store.waiting()
            try expect(waiting.count == before.count + 1 && waiting.contains(message), "\(waiting)")
            let second = try await store.replay(1, at: 10)
            guard case .refused = second else { throw ConformanceFailure("replayed twice: \(second)") }
            let file = try value(try await store.deadLetter(deadLetter.id))
            try expect(file.deadLetter.state == .replayed && file.deadLetter.replays == 1, "\(file.deadLetter)")
            try expect(file.events.map(\.action) == [.arrived, .replayed], "\(file.events)")
            try expect(file.events[1].who == "alice@ops1" && file.events[1].at == Given.at(9), "\(file.events)")
        },
        StoreCheck("a dead letter whose body is too large to be kept has its size and all else, and is not replayed") {
            fixture in
            let store = try await fixture.store()
            let whole = Given.message([UInt8](repeating: 0x7B, count: 16 << 20))
            let kept = whole.withoutBody
            let id = DeadLetterID(known: "msg-large")
            let deadLetter = DeadLetter(
                id,
                .parked,
                of: kept,
                reason: "not a job",
                whereabouts: "it is elsewhere",
                at: Given.at(1)
            )
            try await store.keep(deadLetter, kept, at: Given.at(1))
            let file = try value(try await store.deadLetter(id))
            try expect(file.message == kept && file.message?.bodyBytes == 16 << 20, "\(file)")
            try expect(file.message?.messageID == "m1" && file.message?.replyTo == "answers", "\(file)")
            try expect(file.deadLetter.cause == DeadLetter.Cause.tooLarge, "\(file.deadLetter)")
            try expect(file.deadLetter.reason == "it is elsewhere; not a job", "\(file.deadLetter)")
            try expect(CanonicalJSON.bytes(file).count < 2_000, "\(CanonicalJSON.bytes(file).count) bytes")
            let verdict = try await store.replay(id, by: "alice@ops1", isForced: true, sentBy: .caller, at: Given.at(2))
            guard case .refused = verdict else { throw ConformanceFailure("it is replayed without a body: \(verdict)") }
            let after = try value(try await store.deadLetter(id))
            try expect(after.deadLetter.state == .open && after.deadLetter.replays == 0, "\(after.deadLetter)")
        },
        StoreCheck("a replay that is refused opens its dead letter again, with the reason") { fixture in
            let store = try await fixture.store()
            try await store.take()
            try await store.fail(.stopCheck)
            guard case .done(let deadLetter, _) = try await store.replay(1) else {
                throw ConformanceFailure("it is not replayed")
            }
            _ = try await store.reject(
                try value(deadLetter.retryRequest),
                fingerprint: "f",
                Rejection(.quotaExceeded, "no place"),
                reply: nil,
                in: Given.context(3)
            )
            let file = try value(try await store.deadLetter(deadLetter.id))
            try expect(file.deadLetter.state == .open, "\(file.deadLetter)")
            try expect(file.events.last?.action == .refused, "\(file.events)")
            try expect(file.events.last?.note == "QUOTA_EXCEEDED: no place", "\(file.events)")
        },
        StoreCheck("a replay opens its dead letter again when it is denied, or meets an older refusal under its id") {
            fixture in
            for isDenied in [true, false] {
                let store = try await fixture.store()
                let number = isDenied ? 1 : 2
                try await store.take(number, instance: "i-\(number)")
                try await store.fail(.stopCheck, of: number)
                let old = DeadLetterID(known: Given.image(number).text)
                let identity = RequestIdentity(
                    owner: Given.owner,
                    requestID: RequestID(known: "\(old)/replay/1")
                )
                let refusal = Rejection(.notFound, "no such thing")
                if !isDenied {
                    _ = try await store.reject(
                        identity,
                        fingerprint: "f",
                        refusal,
                        reply: nil,
                        in: Given.context(1)
                    )
                }
                guard
                    case .done(let deadLetter, _) = try await store.replay(
                        old,
                        by: "a",
                        isForced: false,
                        sentBy: .caller,
                        at: Given.at(2)
                    )
                else {
                    throw ConformanceFailure("it is not replayed")
                }
                if isDenied {
                    try await store.denied(identity, Rejection(.permissionDenied, "not for you"), at: Given.at(3))
                } else {
                    _ = try await store.reject(
                        identity,
                        fingerprint: "g",
                        refusal,
                        reply: nil,
                        in: Given.context(3)
                    )
                }
                let file = try value(try await store.deadLetter(deadLetter.id))
                try expect(file.deadLetter.state == .open && file.events.last?.action == .refused, "\(file)")
            }
        },
        StoreCheck("a dead letter that was replayed and never came back can be replayed by force, or discarded") {
            fixture in
            let store = try await fixture.store()
            try await store.take()
            try await store.fail(.stopCheck)
            guard case .done(let deadLetter, _) = try await store.replay(1) else {
                throw ConformanceFailure("it is not replayed")
            }
            let forced = try await store.replay(
                deadLetter.id,
                by: "a",
                isForced: true,
                sentBy: .caller,
                at: Given.at(5)
            )
            guard case .done(let again, _) = forced, again.replays == 2 else {
                throw ConformanceFailure("not by force: \(forced)")
            }
            let discarded = try await store.discard(deadLetter.id, by: "a", note: nil, at: Given.at(6))
            guard case .done = discarded else { throw ConformanceFailure("not discarded: \(discarded)") }
        },
        StoreCheck("a replayed job that fails again opens the same dead letter, until its replays are used up") {
            fixture in
            let store = try await fixture.store()
            try await store.take()
            try await store.fail(.stopCheck)
            for round in 1...DeadLetter.replayLimit {
                guard case .done(let deadLetter, _) = try await store.replay(1) else {
                    throw ConformanceFailure("round \(round) is not replayed")
                }
                try await store.retry(as: try value(deadLetter.retryRequest))
                let settled = try await store.deadLetters(DeadLetterQuery(kinds: [.dead]))
                try expect(settled.isEmpty, "\(settled)")
                try await store.fail(.stopCheck, attempt: try await store.attempt(of: .stopCheck))
                let open = try await store.deadLetters(DeadLetterQuery(kinds: [.dead]))
                try expect(open.map(\.replays) == [round] && open.map(\.arrivals) == [round + 1], "\(open)")
            }
            let oneMore = try await store.replay(1)
            try expect(oneMore == .refused(.replayLimit(DeadLetter.replayLimit)), "no guard: \(oneMore)")
            guard case .done = try await store.replay(1, isForced: true) else { throw ConformanceFailure("not forced") }
        },
        StoreCheck("a dead letter is settled when its owner has the image tried again") { fixture in
            let store = try await fixture.store()
            try await store.take()
            try await store.fail(.stopCheck)
            try await store.retry(as: RequestIdentity(owner: Given.owner, requestID: RequestID(known: "own")))
            let open = try await store.deadLetters(DeadLetterQuery(kinds: [.dead]))
            let settled = try await store.deadLetters(DeadLetterQuery(kinds: [.dead], states: [.settled]))
            try expect(open.isEmpty && settled.count == 1, "\(open) \(settled)")
            let verdict = try await store.replay(1)
            guard case .refused = verdict else { throw ConformanceFailure("replayed: \(verdict)") }
        },
        StoreCheck("a message is kept byte for byte, and one that comes again is the same dead letter") { fixture in
            let store = try await fixture.store()
            for body in [Array("{\"a\": \"ä\u{0}\"}".utf8), [0xFF, 0x00, 0x80], []] {
                let message = Given.message(body)
                let deadLetter = Given.deadLetter("msg-\(body.count)", message)
                try await store.keep(deadLetter, message, at: Given.at(1))
                let file = try value(try await store.deadLetter(deadLetter.id))
                try expect(file.message == message && file.deadLetter == deadLetter, "\(file)")
            }
            let message = Given.message([])
            try await store.keep(Given.deadLetter("msg-0", message, at: 7), message, at: Given.at(7))
            let again = try value(try await store.deadLetter(DeadLetterID(known: "msg-0")))
            try expect(again.deadLetter.arrivals == 2 && again.deadLetter.firstAt == Given.at(1), "\(again.deadLetter)")
            try expect(again.deadLetter.lastAt == Given.at(7) && again.events.count == 2, "\(again)")
        },
        StoreCheck("a parked message goes back to the exchange it belongs to, and nowhere if there is none") {
            fixture in
            let store = try await fixture.store()
            let keys = ["clean-up": OutgoingMessage.Destination.jobs, "image.create": .requests]
            for (key, destination) in keys {
                let message = Given.message(Array("{}".utf8), key: key)
                try await store.keep(Given.deadLetter("msg-\(key)", message), message, at: Given.at(1))
                let verdict = try await store.replay(DeadLetterID(known: "msg-\(key)"))
                guard case .done(_, let outgoing) = verdict else { throw ConformanceFailure("\(key): \(verdict)") }
                try expect(outgoing.map(\.destination) == [destination], "\(outgoing)")
                try expect(outgoing.map(\.routingKey) == [key] && outgoing[0].body == "{}", "\(outgoing)")
                let waiting = try await store.waiting()
                try expect(waiting.contains(outgoing[0]), "\(waiting)")
            }
            let stray = Given.message([], key: "image.explode")
            try await store.keep(Given.deadLetter("msg-stray", stray), stray, at: Given.at(1))
            let refused = try await store.replay(DeadLetterID(known: "msg-stray"))
            guard case .refused = refused else { throw ConformanceFailure("\(refused)") }
            let unknown = try await store.replay(DeadLetterID(known: "nobody"))
            try expect(unknown == .unknown, "\(unknown)")
        },
        StoreCheck("a discarded dead letter is closed, with whom and why, and stays") { fixture in
            let store = try await fixture.store()
            let message = Given.message([])
            try await store.keep(Given.deadLetter("msg-1", message), message, at: Given.at(1))
            let id = DeadLetterID(known: "msg-1")
            guard case .done = try await store.discard(id, by: "bob@ops", note: "asked", at: Given.at(2)) else {
                throw ConformanceFailure("it is not discarded")
            }
            guard case .refused = try await store.discard(id, by: "bob@ops", note: nil, at: Given.at(3)),
                case .refused = try await store.replay(id)
            else { throw ConformanceFailure("it is judged twice") }
            let open = try await store.deadLetters(DeadLetterQuery(kinds: [.parked]))
            let file = try value(try await store.deadLetter(id))
            try expect(open.isEmpty && file.deadLetter.state == .discarded && file.message == message, "\(file)")
            try expect(
                file.events.last == DeadLetterEvent(at: Given.at(2), who: "bob@ops", action: .discarded, note: "asked"),
                "\(file)"
            )
        },
        StoreCheck("a closed dead letter is forgotten in time, with its history, and an open one never") { fixture in
            let store = try await fixture.store()
            for number in 1...3 {
                let message = Given.message([])
                try await store.keep(Given.deadLetter("msg-\(number)", message), message, at: Given.at(1))
            }
            let id = DeadLetterID(known: "msg-1")
            _ = try await store.discard(id, by: "bob", note: nil, at: Given.at(2))
            guard case .done = try await store.replay(DeadLetterID(known: "msg-2")) else {
                throw ConformanceFailure("it is not replayed")
            }
            let early = try await store.forget(before: Given.at(1), limit: 100)
            let forgotten = try await store.forget(before: Given.at(2), limit: 100)
            let left = try await store.deadLetters(DeadLetterQuery(kinds: [.parked], states: []))
            try expect(early == 0 && forgotten == 2 && left.map(\.id.text) == ["msg-3"], "\(forgotten) \(left)")
            let file = try await store.deadLetter(id)
            try expect(file == nil, "\(String(describing: file))")
            let message = Given.message([])
            try await store.keep(Given.deadLetter("msg-1", message), message, at: Given.at(9))
            let anew = try value(try await store.deadLetter(id))
            try expect(anew.deadLetter.arrivals == 1 && anew.events.count == 1, "\(anew)")
        },
        StoreCheck("dead letters are found by kind, step, cause, owner and age, and counted alike") { fixture in
            let store = try await fixture.store()
            let other = Owner(known: "acct-2")
            try await store.take(1)
            try await store.take(2, instance: "i-2", owner: other)
            try await store.fail(.stopCheck, of: 1, at: 10)
            try await store.fail(.stopCheck, of: 2, code: .failedPrecondition, at: 20)
            let message = Given.message([1])
            try await store.keep(Given.deadLetter("msg-1", message, at: 30), message, at: Given.at(30))
            func ids(_ change: (inout DeadLetterQuery) -> Void) async throws -> [String] {
                var query = DeadLetterQuery(kinds: Set(DeadLetter.Kind.allCases))
                change(&query)
                let deadLetters = try await store.deadLetters(query)
                let count = try await store.deadLetterGroups(query).map(\.count).reduce(0, +)
                try expect(count == deadLetters.count || query.limit < 100, "\(count) of \(deadLetters.count)")
                return deadLetters.map(\.id.text)
            }
            let found: [([String], [String])] = [
                (try await ids { _ in }, ["img-1", "img-2", "msg-1"]),
                (try await ids { $0.kinds = [.dead] }, ["img-1", "img-2"]),
                (try await ids { $0.kinds = [] }, []),
                (try await ids { $0.step = .stopCheck }, ["img-1", "img-2"]),
                (try await ids { $0.step = .replicate }, []),
                (try await ids { $0.cause = "FAILED_PRECONDITION" }, ["img-2"]),
                (try await ids { $0.owner = other }, ["img-2"]),
                (try await ids { $0.before = Given.at(20) }, ["img-1"]),
                (try await ids { $0.after = Given.at(20) }, ["img-2", "msg-1"]),
                (
                    try await ids { $0.ids = [DeadLetterID(known: "img-2"), DeadLetterID(known: "msg-1")] },
                    ["img-2", "msg-1"]
                ),
                (try await ids { $0.limit = 1 }, ["img-1"]),
                (try await ids { $0.states = [.discarded] }, []),
            ]
            for (index, pair) in found.enumerated() { try expect(pair.0 == pair.1, "\(index): \(pair.0)") }
            let groups = try await store.deadLetterGroups(DeadLetterQuery(kinds: [.dead]))
            try expect(groups.map(\.cause).sorted() == ["FAILED_PRECONDITION", "UNAVAILABLE"], "\(groups)")
            try expect(groups.allSatisfy { $0.count == 1 && $0.step == .stopCheck }, "\(groups)")
        },
    ]
}

extension Given {
    static func message(_ body: [UInt8], key: String = "image.create") -> KeptMessage {
        KeptMessage(
            routingKey: key,
            contentType: "application/json",
            messageID: "m1",
            correlationID: nil,
            replyTo: "answers",
            body: body
        )
    }

    static func deadLetter(_ id: String, _ message: KeptMessage, at seconds: Int64 = 1) -> DeadLetter {
        DeadLetter(DeadLetterID(known: id), .parked, of: message, reason: "INVALID_ARGUMENT: no", at: at(seconds))
    }

    static func failure(_ code: ErrorCode = .unavailable) -> StepFailure {
        StepFailure(.permanent, code, "it broke", advice: "repair it")
    }

    static func buried(_ job: Job, attempt: Int = 1, code: ErrorCode = .unavailable) -> Event {
        .deadLettered(job, attempt: attempt, failure(code))
    }
}

extension ImageStore {
    /// Lets a job fail for good, to the end of its dead letter.
    func fail(
        _ job: Job,
        of image: Int = 1,
        attempt: Int = 1,
        code: ErrorCode = .unavailable,
        at seconds: Int64 = 0
    ) async throws {
        let jobLease = try await grant(job, of: image, attempt: attempt, at: seconds)
        let failed = Event.failed(job, fence: jobLease.fence, Given.failure(code), discarded: true)
        try await tell(failed, image: Given.image(image), at: seconds)
        try await tell(Given.buried(job, attempt: attempt, code: code), image: Given.image(image), at: seconds)
    }

    fileprivate func attempt(of job: Job) async throws -> Int { try value(try await present().jobs[job]).attempt }

    /// What a worker does with an accepted `image.retry`.
    fileprivate func retry(as identity: RequestIdentity) async throws {
        let request = ImageRequest(requestID: identity.requestID, owner: identity.owner, imageID: Given.image())
        let outcome = try await ask(.retry, .retry(request))
        try expect(outcome.answer.rejection == nil, "\(outcome.answer)")
    }

    fileprivate func replay(_ image: Int, isForced: Bool = false, at seconds: Int64 = 0) async throws
        -> DeadLetterResult
    {
        try await replay(DeadLetterID(known: "img-\(image)"), isForced: isForced, at: seconds)
    }

    fileprivate func replay(_ id: DeadLetterID, isForced: Bool = false, at seconds: Int64 = 0) async throws
        -> DeadLetterResult
    {
        try await replay(id, by: "alice@ops1", isForced: isForced, sentBy: .caller, at: Given.at(seconds))
    }
}
