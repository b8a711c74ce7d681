import AMQPClient
import GoldsmithTestSupport
import ImageCore
import Testing

@testable import RabbitMQTransport

@Suite("The broker's users have the least rights")
struct RightsTests {
    /// As the broker does: anywhere in the text.
    private func matches(_ pattern: String, _ name: String) throws -> Bool {
        try name.contains(Regex(pattern))
    }

    @Test("nobody may make, change or delete anything, and no pattern is open")
    func closed() throws {
        for role in BrokerRole.allCases {
            let rights = Topology().rights(of: role)
            #expect(rights.configure == "^$", "\(role)")
            for pattern in [rights.write, rights.read] {
                #expect(
                    pattern.hasPrefix("^") && pattern.hasSuffix("$") && !pattern.contains("*"),
                    "\(role): \(pattern)"
                )
            }
        }
    }

    @Test("a pattern matches the names of its own installation and no other's")
    func prefix() throws {
        let topology = Topology(prefix: "a.b")
        let rights = topology.rights(of: .worker)
        for queue in topology.consumedQueues { #expect(try matches(rights.read, queue), "\(queue)") }
        for name in [
            "axb.intake", "a.b.intake2", "xa.b.intake", "a.b.intakex", "a.b.retry.1s", "a.b.producer.answers", "",
        ] {
            #expect(try !matches(rights.read, name), "\(name)")
        }
        #expect(try matches(rights.write, "amq.default") && !matches(rights.write, "amqxdefault"))
        #expect(topology.user(of: .producer) == "a.b-producer")
    }

    @Test("a worker may publish wherever its messages go")
    func destinations() throws {
        let topology = Topology()
        let rights = topology.rights(of: .worker)
        let destinations: [OutgoingMessage.Destination] =
            [.requests, .jobs, .dead, .parking, .events] + RetryDelay.allCases.map { .retry($0) }
        for destination in destinations {
            #expect(try matches(rights.write, topology.exchange(for: destination)), "\(destination)")
        }
    }

    @Test(
        "a producer of some owners has its queue bound for it, and may bind nothing; one of all owners binds it itself"
    )
    func owners() throws {
        let topology = Topology()
        let owners = ["acct-7", "acct-42"].map { Owner(known: $0) }
        let keys = topology.producerBindings(for: owners).map(\.routingKey)
        #expect(keys == ["#.acct-42", "#.acct-7"])
        #expect(topology.producerBindings(for: []).isEmpty)
        let (some, all) = (topology.rights(of: .producer, owners: owners), topology.rights(of: .producer))
        for (rights, mayBind) in [(some, false), (all, true)] {
            #expect(try matches(rights.write, "goldsmith.producer.events") == mayBind)
            #expect(try matches(rights.read, "goldsmith.events") == mayBind)
            #expect(try matches(rights.read, "goldsmith.producer.events"))
        }
    }

    @Test("a producer's own queues keep the newest when nobody reads them")
    func producerQueues() {
        for queue in Topology().producerQueues {
            #expect(queue.arguments["x-queue-type"] == "quorum" && queue.arguments["x-overflow"] == "drop-head")
            guard case .int(let length)? = queue.arguments["x-max-length"] else {
                Issue.record("\(queue.name) has no bound")
                continue
            }
            #expect(length > 0)
        }
    }

    @Test("a request of an operator's own says who does it, and nothing that others wrote does")
    func vouched() {
        let sender = BrokerPublisher(
            publisher: AMQPPublisher(endpoint: AMQPEndpoint(host: "h"), name: "test", logger: RecordingLog().logger),
            topology: Topology(),
            user: "goldsmith-operator",
            time: ManualTime(),
            logger: RecordingLog().logger
        )
        for isVouchedFor in [true, nil] {
            var message = OutgoingMessage(id: "m", destination: .requests, routingKey: "image.retry", body: "{}")
            message.isVouchedFor = isVouchedFor
            let user = sender.publication(message, timestamp: 0).message.userID
            #expect(user == (isVouchedFor == true ? "goldsmith-operator" : nil))
        }
    }
}
