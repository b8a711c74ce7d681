import AMQPClient
import ImageCore
import ImageWorker
import Testing

@testable import RabbitMQTransport

@Suite("A delivery's headers are believed as far as the broker vouches for them")
struct IncomingMessageTests {
    private let deferred: AMQPTable = [
        BrokerPublisher.askerHeader: "upstream", BrokerPublisher.waitedHeader: 35,
        BrokerPublisher.reasonHeader: "UNAVAILABLE: no disk",
    ]

    private func message(from user: String?, _ headers: AMQPTable) -> IncomingMessage {
        let message = AMQPMessage(body: [1], messageID: "m1", userID: user, headers: headers)
        return IncomingMessage(message, routingKey: "image.create", ownUser: "workers")
    }

    @Test("a request that a worker deferred is its sender's, and has waited as long as it says")
    func deferredByWorker() {
        let message = message(from: "workers", deferred)
        #expect(message.userID == "upstream" && message.reason == "UNAVAILABLE: no disk")
        #expect(message.waited == .seconds(35))
        var unnamed = deferred
        unnamed[BrokerPublisher.askerHeader] = ""
        #expect(self.message(from: "workers", unnamed).userID == nil)
    }

    @Test("what others claim to be is not believed", arguments: ["mallory", nil] as [String?])
    func claimed(user: String?) {
        let message = message(from: user, deferred)
        #expect(message.userID == user && message.waited == .zero)
    }

    @Test("a wait that cannot be one is not believed", arguments: [-1, 1 << 40] as [Int64])
    func wait(seconds: Int64) {
        #expect(message(from: "workers", [BrokerPublisher.waitedHeader: .int(seconds)]).waited == .zero)
    }

    @Test("where it was sent in a trace is read when it is in order")
    func trace() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        let headers: AMQPTable = [TraceContext.parentHeader: .string(parent), TraceContext.stateHeader: "a=b"]
        let trace = message(from: nil, headers).trace
        #expect(trace?.parent == parent && trace?.state == "a=b")
        #expect(message(from: nil, [TraceContext.parentHeader: "nonsense"]).trace == nil)
        #expect(message(from: nil, [:]).trace == nil)
    }
}
