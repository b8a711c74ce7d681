public import AMQPClient

/// Something on the broker that is not as the topology says.
public struct TopologyDifference: Sendable, Equatable, CustomStringConvertible {
    public var name: String
    public var problem: String

    /// Whether the broker refused to let this user look or declare, so that nothing is known of what is there.
    public var isRefusal = false

    public var description: String { "\(name): \(problem)" }
}

extension Topology {
    /// Declares everything; existing and equal parts stay untouched. Needs configure rights.
    /// - Returns: what differs. Then the rest is still declared, and nothing is ever deleted or changed.
    public func apply(on connection: AMQPConnection) async throws(AMQPError) -> [TopologyDifference] {
        var differences: [TopologyDifference] = []
        for exchange in exchanges {
            do {
                try await connection.declare(exchange)
            } catch {
                differences.append(try difference(exchange.name, error))
            }
        }
        for queue in queues {
            do {
                _ = try await connection.declareQueue(queue.name, arguments: queue.arguments)
            } catch {
                differences.append(try difference(queue.name, error))
            }
        }
        for binding in bindings {
            do {
                try await connection.bindQueue(binding.queue, to: binding.exchange, routingKey: binding.routingKey)
            } catch {
                differences.append(try difference("\(binding.exchange) → \(binding.queue)", error))
            }
        }
        return differences
    }

    /// Compares without creating anything. With a worker's rights it sees what is missing; what differs in its
    /// arguments shows only to a user who may configure.
    public func verify(on connection: AMQPConnection) async throws(AMQPError) -> [TopologyDifference] {
        var differences: [TopologyDifference] = []
        for exchange in exchanges {
            guard try await connection.exchangeExists(exchange.name) else {
                differences.append(TopologyDifference(name: exchange.name, problem: "the exchange is missing"))
                continue
            }
            do {
                try await connection.declare(exchange)
            } catch {
                if error.code != Self.accessRefused { differences.append(try difference(exchange.name, error)) }
            }
        }
        for queue in queues {
            guard try await connection.inspectQueue(queue.name) != nil else {
                differences.append(TopologyDifference(name: queue.name, problem: "the queue is missing"))
                continue
            }
            do {
                _ = try await connection.declareQueue(queue.name, arguments: queue.arguments)
            } catch {
                if error.code != Self.accessRefused { differences.append(try difference(queue.name, error)) }
            }
        }
        return differences
    }

    private static let accessRefused = 403

    /// Only the broker's refusal of one thing is a difference; a lost connection is an error.
    private func difference(_ name: String, _ error: AMQPError) throws(AMQPError) -> TopologyDifference {
        guard error.kind == .channelClosed else { throw error }
        return TopologyDifference(name: name, problem: error.text, isRefusal: error.code == Self.accessRefused)
    }
}

extension AMQPConnection {
    fileprivate func declare(_ exchange: Topology.Exchange) throws(AMQPError) {
        try declareExchange(exchange.name, type: exchange.type, arguments: exchange.arguments)
    }
}
