import Testing

@testable import ImageCore

@Suite("A dead letter says what a human needs to judge")
struct DeadLetterTests {
    @Test("A message too large to be kept has a cause of its own, and says where it is and what is known of it")
    func tooLarge() {
        let cases: [(DeadLetter.Kind, String?, String)] = [
            (.parked, nil, "it is there"), (.parked, "INVALID_ARGUMENT: no body", "it is there; no body"),
            (.unrouted, nil, "it is there; no queue takes the routing key 'image.create'"),
        ]
        for (kind, reason, told) in cases {
            let kept = message("{}").withoutBody
            let now = Timestamp(microseconds: 1)
            let deadLetter = DeadLetter(
                DeadLetterID(known: "msg-1"),
                kind,
                of: kept,
                reason: reason,
                whereabouts: "it is there",
                at: now
            )
            #expect(deadLetter.cause == "TOO_LARGE" && deadLetter.reason == told)
            #expect(kept.text == nil && kept.replay(1, of: deadLetter.id) == nil)
        }
    }

    private func message(_ body: String, key: String = "image.create") -> KeptMessage {
        KeptMessage(
            routingKey: key,
            contentType: nil,
            messageID: nil,
            correlationID: nil,
            replyTo: nil,
            body: Array(body.utf8)
        )
    }

    private func deadLetter(_ body: String, key: String = "image.create", reason: String?) -> DeadLetter {
        DeadLetter(DeadLetterID(known: "msg-1"), .parked, of: message(body, key: key), reason: reason, at: Sample.now)
    }

    @Test("the cause is the reason's code, or says that the message is not ours")
    func cause() {
        #expect(deadLetter("{}", reason: "OUT_OF_RANGE: too: many").cause == "OUT_OF_RANGE")
        #expect(deadLetter("{}", reason: "OUT_OF_RANGE: too: many").reason == "too: many")
        #expect(deadLetter("{}", reason: "there is no operation a:b").cause == DeadLetter.Cause.foreign)
        #expect(deadLetter("{}", reason: "").cause == DeadLetter.Cause.foreign)
        #expect(deadLetter("{}", reason: nil).cause == DeadLetter.Cause.unknown)
        #expect(deadLetter("{}", reason: "ENDS_CONNECTION: it does").cause == DeadLetter.Cause.endsConnection)
    }

    @Test("what a stranger wrote is shown on one line, without what cannot be seen")
    func plain() {
        let deadLetter = deadLetter("{}", reason: "no\u{1B}[2J\nway\u{202E}" + String(repeating: "x", count: 10_000))
        #expect(!deadLetter.reason.unicodeScalars.contains { $0.value < 32 || $0.value == 0x202E })
        #expect(deadLetter.reason.count <= PlainText.sentenceLimit + 1)
    }

    @Test("a job's message gives step, job, image and attempts; a request's gives its owner")
    func facts() {
        let job = deadLetter(
            #"{"attempt":30,"imageId":"img-1","job":"clean-up:img-1.east.4"}"#,
            key: "clean-up",
            reason: "UNAVAILABLE: no"
        )
        #expect(job.step == .cleanUp && job.image?.text == "img-1" && job.attempts == 30)
        #expect(deadLetter(#"{"owner": "acct-7"}"#, reason: "x").owner?.text == "acct-7")
        #expect(deadLetter(#"{"owner": "../etc"}"#, reason: "x").owner == nil)
        #expect(deadLetter("\u{0}", reason: "x").owner == nil)
    }

    @Test("a dead letter's replay is its owner's request, under a number of its own each time")
    func retry() throws {
        var image = Sample.accepted().image
        let now = TransitionContext(now: Sample.now)
        #expect(DeadLetter(ofFailed: image) == nil)
        _ = image.apply(.began(.stopCheck, attempt: 1), in: now)
        _ = image.apply(.deadLettered(.stopCheck, attempt: 1, Sample.failure(.permanent)), in: now)
        var deadLetter = try #require(DeadLetter(ofFailed: image))
        deadLetter.replays = 1
        let first = try #require(deadLetter.retryMessage)
        #expect(deadLetter.retryMessage == first, "however often it is sent, it is the same request")
        #expect(first.isVouchedFor == true)
        let body = Array(first.body.utf8)
        let request = try Request.parse(.retry, contentType: first.contentType, messageID: nil, body: body)
        #expect(request.identity == deadLetter.retryRequest && request.identity.owner == Sample.owner)
        deadLetter.replays = 2
        #expect(deadLetter.retryRequest?.requestID != request.identity.requestID)
    }

    @Test("a message that no exchange is for, or that is no text, is not put back")
    func noRoad() {
        #expect(message("{}", key: "image.explode").replay(1, of: DeadLetterID(known: "msg-1")) == nil)
        var broken = message("{}")
        broken.body = [0xFF]
        #expect(broken.replay(1, of: DeadLetterID(known: "msg-1")) == nil)
        let request = message("{}", key: "image.delete").replay(1, of: DeadLetterID(known: "msg-1"))
        #expect(request?.destination == .requests && request?.isVouchedFor == nil, "nobody lends it his rights")
        #expect(message("{}", key: "replicate").replay(1, of: DeadLetterID(known: "msg-1"))?.destination == .jobs)
    }
}

@Suite("A decision on a dead letter follows one rule")
struct DeadLetterDecisionTests {
    private static let message = KeptMessage(
        routingKey: "image.delete",
        contentType: nil,
        messageID: "m1",
        correlationID: nil,
        replyTo: nil,
        body: Array("{}".utf8)
    )

    private static func deadLetter(_ state: DeadLetter.State, replays: Int) -> DeadLetter {
        var deadLetter = DeadLetter(DeadLetterID(known: "msg-1"), .parked, of: message, reason: nil, at: Sample.now)
        (deadLetter.state, deadLetter.replays) = (state, replays)
        return deadLetter
    }

    @Test("a dry run and a replay agree on every state, count of replays and force")
    func agreement() {
        for state in DeadLetter.State.allCases {
            for replays in [0, DeadLetter.replayLimit - 1, DeadLetter.replayLimit] {
                for isForced in [false, true] {
                    for message in [Self.message, nil] {
                        let deadLetter = Self.deadLetter(state, replays: replays)
                        let refusal = deadLetter.refusalOfReplay(of: message, isForced: isForced)
                        switch deadLetter.replayed(message, isForced: isForced) {
                        case .failure(let other): #expect(other == refusal)
                        case .success(let replayed):
                            #expect(refusal == nil)
                            #expect(
                                replayed.deadLetter.replays == replays + 1 && replayed.deadLetter.state == .replayed
                            )
                        }
                    }
                }
            }
        }
    }

    @Test("force replays what came back too often or not at all, and nothing that is closed")
    func force() {
        let message = Self.message
        let cases: [(DeadLetter.State, Int, DeadLetterRefusal?, forced: DeadLetterRefusal?)] = [
            (.open, 0, nil, nil),
            (.open, DeadLetter.replayLimit, .replayLimit(DeadLetter.replayLimit), nil),
            (.replayed, 1, .replayed, nil),
            (.discarded, 0, .discarded, .discarded),
            (.settled, 0, .settled, .settled),
        ]
        for (state, replays, refusal, forced) in cases {
            let deadLetter = Self.deadLetter(state, replays: replays)
            #expect(deadLetter.refusalOfReplay(of: message, isForced: false) == refusal)
            #expect(deadLetter.refusalOfReplay(of: message, isForced: true) == forced)
            #expect(refusal?.yieldsToForce ?? true == (forced == nil))
        }
        #expect(Self.deadLetter(.open, replays: 0).refusalOfReplay(of: nil, isForced: true) == .notReplayable)
    }

    @Test("only the open dead letter of a job is settled, once its image is not in Error")
    func settled() {
        let images: [ImageStatus?] = ImageStatus.allCases.map(Optional.some) + [nil]
        for kind in DeadLetter.Kind.allCases {
            for state in DeadLetter.State.allCases {
                for image in images {
                    let isSettled = kind == .dead && state == .open && image != .error
                    #expect(state.current(kind, image: image) == (isSettled ? .settled : state))
                }
            }
        }
    }

    @Test("what is open, or was replayed and may never come back, is discarded once")
    func discard() {
        for state in DeadLetter.State.allCases {
            let discarded = try? Self.deadLetter(state, replays: 1).discarded().get()
            #expect((discarded != nil) == (state == .open || state == .replayed))
            #expect(discarded.map { $0.state == .discarded } ?? true)
        }
    }
}
