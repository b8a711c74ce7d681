import Testing

@testable import ImageCore

@Suite("Why the broker made a message a dead letter")
struct DeathTests {
    private let expired = Death(.expired, in: "goldsmith.retry.1s")
    private let limit = Death(.deliveryLimit, in: "goldsmith.job.replicate")

    @Test("the newest entry counts, whatever it died of before")
    func newest() {
        #expect(Death.newest(of: [limit, expired], last: nil, first: expired) == limit)
        #expect(Death.newest(of: [expired, limit], last: limit, first: expired) == limit, "as RabbitMQ 4 names it")
        #expect(Death.newest(of: [limit], last: expired, first: expired) == limit, "copied from elsewhere")
        #expect(Death.newest(of: [], last: nil, first: expired) == expired)
        #expect(Death.newest(of: [], last: limit, first: expired) == limit)
        #expect(Death.newest(of: [], last: nil, first: nil) == nil)
    }

    @Test("each reason is a cause of its own, and a missing one is none of them")
    func causes() {
        let message = KeptMessage(
            routingKey: "image.create",
            contentType: nil,
            messageID: nil,
            correlationID: nil,
            replyTo: nil,
            body: Array("{}".utf8)
        )
        func deadLetter(_ death: Death?) -> DeadLetter {
            DeadLetter(DeadLetterID(known: "msg-1"), .parked, of: message, reason: nil, death: death, at: Sample.now)
        }
        let words = [
            "expired": "EXPIRED", "maxlen": "QUEUE_TOO_LONG", "rejected": "REFUSED", "delivery_limit": "DELIVERY_LIMIT",
            "eaten\u{1B}": "UNKNOWN",
        ]
        for (word, cause) in words {
            let deadLetter = deadLetter(Death(Death.Reason(word), in: "goldsmith.intake"))
            #expect(deadLetter.cause == cause && !deadLetter.reason.unicodeScalars.contains("\u{1B}"))
            #expect(deadLetter.reason.contains("may have ended") == (cause == "DELIVERY_LIMIT"))
        }
        #expect(deadLetter(nil).cause == "UNKNOWN" && deadLetter(nil).reason.contains("does not say why"))
    }
}
