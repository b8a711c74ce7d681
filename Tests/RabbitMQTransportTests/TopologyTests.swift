import AMQPClient
import ImageCore
import ImageWorker
import Testing

@testable import RabbitMQTransport

@Suite("The topology works on every broker version")
struct TopologyTests {
    private let topology = Topology(prefix: "acme")

    private func text(_ queue: Topology.Queue, _ argument: String) -> String? {
        if case .string(let value)? = queue.arguments[argument] { value } else { nil }
    }

    private func number(_ queue: Topology.Queue, _ argument: String) -> Int64? {
        if case .int(let value)? = queue.arguments[argument] { value } else { nil }
    }

    @Test("every name begins with the prefix, and none stands twice")
    func names() {
        let names = topology.exchanges.map(\.name) + topology.queues.map(\.name)
        #expect(names.allSatisfy { $0.hasPrefix("acme.") })
        #expect(Set(topology.queues.map(\.name)).count == topology.queues.count)
        #expect(Set(topology.exchanges.map(\.name)).count == topology.exchanges.count)
    }

    @Test("every queue is a quorum queue with a positive delivery limit, and no argument a version forbids")
    func queues() {
        let allowed: Set<String> = [
            "x-queue-type", "x-delivery-limit", "x-overflow", "x-dead-letter-exchange", "x-dead-letter-strategy",
            "x-message-ttl", "x-max-length",
        ]
        for queue in topology.queues {
            #expect(text(queue, "x-queue-type") == "quorum", "\(queue.name)")
            #expect((number(queue, "x-delivery-limit") ?? 0) > 0, "\(queue.name)")
            #expect(Set(queue.arguments.keys).isSubset(of: allowed), "\(queue.name)")
        }
    }

    @Test("every dead-letter exchange exists, is at-least-once, and leads to a queue")
    func deadLetters() {
        for queue in topology.queues {
            guard let exchange = text(queue, "x-dead-letter-exchange") else {
                let ends = topology.queuesForHumans + [topology.oversized]
                #expect(ends.contains(queue.name), "\(queue.name)")
                continue
            }
            #expect(topology.exchanges.contains { $0.name == exchange }, "\(queue.name)")
            #expect(topology.bindings.contains { $0.exchange == exchange }, "\(queue.name)")
            #expect(text(queue, "x-dead-letter-strategy") == "at-least-once", "\(queue.name)")
            #expect(text(queue, "x-overflow") == "reject-publish", "\(queue.name)")
        }
    }

    @Test(
        "every retry queue keeps a message for its delay, and gives every step back to its queue",
        arguments: RetryDelay.allCases
    )
    func retryQueues(delay: RetryDelay) throws {
        let name = topology.exchange(for: .retry(delay))
        #expect(topology.exchanges.first { $0.name == name }?.type == "fanout")
        let binding = try #require(topology.bindings.first { $0.exchange == name })
        let queue = try #require(topology.queues.first { $0.name == binding.queue })
        #expect(number(queue, "x-message-ttl") == delay.duration.microseconds / 1000)
        #expect(text(queue, "x-dead-letter-exchange") == topology.exchange(for: .jobs))
        #expect(queue.arguments["x-dead-letter-routing-key"] == nil)
        for step in Step.allCases {
            let target = topology.bindings.first {
                $0.exchange == topology.exchange(for: .jobs) && $0.routingKey == step.rawValue
            }
            #expect(target?.queue == topology.queue(of: .job(step)))
        }
    }

    @Test("every operation reaches intake, and every binding joins what exists")
    func bindings() {
        for operation in Operation.allCases {
            #expect(
                topology.bindings.contains {
                    $0.exchange == topology.requests && $0.routingKey == operation.rawValue
                        && $0.queue == topology.queue(of: .intake)
                }
            )
        }
        for binding in topology.bindings {
            #expect(topology.queues.contains { $0.name == binding.queue })
            #expect(topology.exchanges.contains { $0.name == binding.exchange })
        }
        #expect(topology.queuesForHumans == ["acme.parked", "acme.unrouted"])
        #expect(Set(topology.queuesForHumans).isSubset(of: topology.consumedQueues))
    }

    @Test("without hosts, names are what they were; a host adds a queue for each step, and changes no other")
    func hosts() {
        let hosted = Topology(prefix: "acme", hosts: ["h2", "h1", "h2"].map { HostName(known: $0) })
        #expect(hosted.exchanges == topology.exchanges)
        let added = hosted.queues.filter { !topology.queues.contains($0) }
        #expect(hosted.queues.count == topology.queues.count + added.count && added.count == 2 * Step.allCases.count)
        for queue in added {
            #expect(queue.arguments == topology.queues.first { $0.name == "acme.job.launch" }?.arguments)
            #expect(hosted.lane(of: queue.name)?.host != nil && topology.lane(of: queue.name) == nil)
        }
        #expect(hosted.lane(of: "acme.job.replicate@h1") == .job(.replicate, on: HostName(known: "h1")))
        let bindings = hosted.bindings.filter { !topology.bindings.contains($0) }
        #expect(Set(bindings.map(\.queue)) == Set(added.map(\.name)))
        #expect(bindings.allSatisfy { $0.exchange == "acme.jobs" && $0.queue == "acme.job." + $0.routingKey })
        #expect(hosted.rights(of: .worker).read.contains("|acme\\.job\\.clean-up@h2|"))
        #expect(hosted.rights(of: .worker).write == topology.rights(of: .worker).write)
    }
}
