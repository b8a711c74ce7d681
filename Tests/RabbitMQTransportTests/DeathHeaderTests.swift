import AMQPClient
import ImageCore
import Testing

@testable import RabbitMQTransport

@Suite("How a message became a dead letter is read from the broker's headers")
struct DeathHeaderTests {
    @Test("the broker's headers are read as they come")
    func headers() {
        func entry(_ reason: String, _ queue: String) -> AMQPValue {
            .table(["reason": .string(reason), "queue": .string(queue), "count": 1])
        }
        let limit = Death(.deliveryLimit, in: "j")
        #expect(Death(headers: ["x-death": .array([entry("delivery_limit", "j"), entry("expired", "r")])]) == limit)
        let last: AMQPTable = [
            "x-death": .array([entry("expired", "r"), entry("delivery_limit", "j")]),
            "x-last-death-reason": "delivery_limit", "x-last-death-queue": "j", "x-first-death-reason": "expired",
            "x-first-death-queue": "r",
        ]
        #expect(Death(headers: last) == limit)
        #expect(
            Death(headers: ["x-first-death-reason": "expired", "x-first-death-queue": "r"]) == Death(.expired, in: "r")
        )
        for odd: AMQPTable in [
            [:], ["x-death": "expired"], ["x-death": .array([])], ["x-death": .array(["expired", .void])],
            ["x-death": .array([.table(["reason": 1, "queue": "r"])])], ["x-last-death-reason": "expired"],
        ] { #expect(Death(headers: odd) == nil) }
    }
}
