import Testing

@testable import ImageCore

@Suite("Where answers may be sent")
struct ReplyRuleTests {
    private let rule = ReplyRule(prefix: "gold.smith")
    /// As RabbitMQ 3.10 gives it out.
    private static let token = "g1h2AA9yZXBseUAxMzM2NzAzODgAAEDUAAAAAGsKdgA=.fvJDpmolzamwSFFMaPsiaA=="

    @Test(
        "an upstream's own queue is an address, and so are the names that a broker gives out",
        arguments: [
            "answers", "gold.smith", "gold.smithy", "goldsmith.parked", "gold.smith.producer.answers", "ämter", "a b",
            String(repeating: "q", count: 255), "amqp", "amq", "amq.gen-Vj8tXjdQpTHmXq1TzoQ3Nw",
            "amq.rabbitmq.reply-to.\(token)",
            // RabbitMQ 4.2 for clients of AMQP 1.0, and a node's own name as older versions have it.
            "amq.rabbitmq.reply-to.g1h2AA5yZXBseUA2ODc4MTMzNAAAcEoAAAAAaS8eQg==",
            "amq.rabbitmq.reply-to.g2dkAA1yYWJiaXRAbm9kZS0xAAABAgAAAAAB.abcd",
        ]
    )
    func allowed(name: String) {
        #expect(rule.refusal(of: name) == nil)
    }

    @Test("no address, or an empty one, asks for no answer")
    func absent() {
        #expect(rule.refusal(of: nil) == nil && rule.refusal(of: "") == nil)
    }

    @Test(
        "our own queues, and names under amq. that no broker gives out, are refused by the field's name",
        arguments: [
            "gold.smith.parked", "gold.smith.oversized", "gold.smith.intake", "gold.smith.retry.1s", "gold.smith.",
            "gold.smith.job.system-disk", "gold.smith.producer", "amq.", "amq.direct", "amq.gen-", "amq.rabbitmq.trace",
            "amq.rabbitmq.reply-to", "amq.rabbitmq.reply-to.", "amq.rabbitmq.reply-to.x",
            "amq.rabbitmq.reply-to.\(token.dropLast(60))", "amq.rabbitmq.reply-to.\(token).x",
            "amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMzM2NzAzODgAAEDUAAAAAGsKdgA.fvJD",
            "amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMzM2NzAzODgAAEDUAAAAAGsKdgA=.",
            "amq.rabbitmq.reply-to.AAAA.AAAA", "amq.rabbitmq.reply-to.g1h2//9yZXBseUA=.AAAA",
            "amq.rabbitmq.reply-to.\(String(repeating: "A", count: 232))", "bad\u{FFFD}name",
        ]
    )
    func refused(name: String) {
        let refusal = rule.refusal(of: name)
        #expect(refusal?.code == .invalidArgument && refusal?.field == "reply_to", "\(String(describing: refusal))")
        #expect(refusal?.message.hasPrefix("reply_to '") == true)
    }
}
