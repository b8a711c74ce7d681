public import AMQPClient
public import ImageCore
public import Operations

extension Topology {
    /// Every queue as the broker has it now, in the topology's order. Looking only.
    public func survey(on connection: AMQPConnection) async throws(AMQPError) -> [QueueStatus] {
        var statuses: [QueueStatus] = []
        for queue in queues {
            let info = try await connection.inspectQueue(queue.name)
            statuses.append(
                QueueStatus(
                    name: queue.name,
                    purpose: queue.purpose,
                    role: role(ofQueue: queue.name),
                    ready: info?.messageCount,
                    consumers: info?.consumerCount
                )
            )
        }
        return statuses
    }

    /// The lane that consumes a queue.
    public func lane(of queue: String) -> Lane? { lanes.all.first { self.queue(of: $0) == queue } }

    /// The delay of a retry queue; `nil` for any other.
    public func retryDelay(of queue: String) -> RetryDelay? {
        RetryDelay.allCases.first { queue == "\(prefix).retry.\($0.rawValue)" }
    }

    private func role(ofQueue name: String) -> QueueStatus.Role {
        if let lane = lane(of: name) {
            return lane.isForHumans ? .human : lanes.needsWorker(lane) ? .work : .spare
        }
        return name == oversized ? .kept : .retry
    }
}
