import AMQPClient
import Foundation
import ImageCore
import Logging
import Operations
import RabbitMQTransport

extension Check {
    /// What AMQP itself reveals about the broker.
    static let broker: [Check] = [
        Check(name: "broker") { (settings) async throws(CommandFailure) in
            try await settings.asked { (connection) throws(AMQPError) in
                guard case .string(let text)? = try await connection.serverProperties["version"] else {
                    return [Diagnosis("broker", .note, "it does not say its version")]
                }
                return [version(text)]
            }
        },
        Check(name: "topology") { (settings) async throws(CommandFailure) in
            let topology = try await settings.topology()
            let differences = try await settings.asked { (connection) throws(AMQPError) in
                try await topology.verify(on: connection)
            }
            guard !differences.isEmpty else {
                return [Diagnosis("topology", .good, "every exchange and queue is there")]
            }
            return [
                Diagnosis(
                    "topology",
                    .bad,
                    differences.map(\.description).joined(separator: "; "),
                    advice: "run `goldsmith topology apply`; what differs must be deleted first, when it is empty"
                )
            ]
        },
        Check(name: "permissions", run: permissions),
        Check(name: "alarms", run: alarms),
        Check(name: "consumers") { (settings) async throws(CommandFailure) in
            let topology = try await settings.topology()
            return try await settings.asked { (connection) throws(AMQPError) in
                let alone = try await topology.survey(on: connection).filter { $0.needsConsumer && $0.consumers == 0 }
                guard !alone.isEmpty else { return [Diagnosis("consumers", .good, "every work queue has one")] }
                return [
                    Diagnosis(
                        "consumers",
                        alone.contains { $0.ready ?? 0 > 0 } ? .bad : .warning,
                        "no consumer: \(alone.map { "\($0.name) (\($0.ready ?? 0) ready)" }.joined(separator: ", "))",
                        advice: "start `goldsmith worker` for these lanes; those of a host need one there with --host"
                    )
                ]
            }
        },
    ]

    static func version(_ text: String) -> Diagnosis {
        let numbers = text.split(separator: ".").prefix(2).compactMap { Int($0) }
        guard numbers.count == 2 else { return Diagnosis("broker", .note, "RabbitMQ \(PlainText.word(text))") }
        let name = "RabbitMQ \(PlainText.word(text))"
        if (numbers[0], numbers[1]) < (3, 10) {
            return Diagnosis(
                "broker",
                .bad,
                "\(name) is too old: its quorum queues have no time to live and lose dead letters",
                advice: "use RabbitMQ 3.10 or newer"
            )
        }
        return numbers[0] > 4
            ? Diagnosis("broker", .warning, "\(name) is newer than what this program was made for")
            : Diagnosis("broker", .good, name)
    }

    /// Whether this user could do its role's work; one that is no role's, a worker's. Asked in a way that sends, takes and
    /// changes nothing.
    @Sendable private static func permissions(_ settings: Settings) async throws(CommandFailure) -> [Diagnosis] {
        let topology = try await settings.topology()
        let role = topology.role(of: try await settings.endpoint().user) ?? .worker
        let found = try await settings.asked { (connection) throws(AMQPError) in
            do throws(AMQPError) {
                return try await refusals(of: role, in: topology, connection)
            } catch {
                guard error.kind == .timedOut else { throw error }
                return nil
            }
        }
        guard let refused = found else {
            return [Diagnosis("permissions", .note, "not looked at: the broker does not answer a publisher")]
        }
        guard !refused.isEmpty else {
            return [Diagnosis("permissions", .good, "this user may do all that is \(role.article)'s work")]
        }
        return [
            Diagnosis(
                "permissions",
                .bad,
                "this user may not \(refused.joined(separator: ", ")): \(role.article) with it would lose answers or stand still",
                advice: "give it the rights of \(role.article), see docs/operations.md"
            )
        ]
    }

    private static func refusals(
        of role: BrokerRole,
        in topology: Topology,
        _ connection: AMQPConnection
    ) async throws(AMQPError) -> [String]? {
        var refused: [String] = []
        for exchange in topology.written(by: role) {
            guard try await connection.mayPublish(to: exchange) == false else { continue }
            refused.append("write \(exchange.isEmpty ? "amq.default" : exchange)")
        }
        for queue in topology.read(by: role) {
            guard try await connection.mayConsume(from: queue) == false else { continue }
            refused.append("read \(queue)")
        }
        return refused
    }

    /// A broker that blocks publishers says so only to publishers. This message goes nowhere: no queue has that name.
    @Sendable private static func alarms(_ settings: Settings) async throws(CommandFailure) -> [Diagnosis] {
        var options = AMQPOptions()
        options.publishTimeout = .seconds(4)
        let publisher = AMQPPublisher(
            endpoint: try await settings.endpoint(),
            name: "goldsmith doctor",
            options: options,
            logger: try await settings.logger("goldsmith", level: .error)
        )
        let nowhere = "\(try await settings.topology().prefix).doctor.\(UUID().uuidString)"
        var finding = Diagnosis("alarms", .good, "none: the broker takes messages")
        // A broker with an alarm still takes the first message of a connection, and blocks it then.
        for _ in 1...2 where finding.grade == .good {
            do throws(AMQPError) {
                try await publisher.publish(
                    AMQPPublication(
                        exchange: "",
                        routingKey: nowhere,
                        message: AMQPMessage(body: [], isPersistent: false)
                    )
                )
            } catch {
                if error.code == 403 {
                    finding = Diagnosis(
                        "alarms",
                        .note,
                        "not looked at: this user may not publish to amq.default, where it would show",
                        advice: "on the broker, `rabbitmq-diagnostics alarms` tells them"
                    )
                } else if error.kind != .unroutable {
                    finding =
                        publisher.isBlocked
                        ? Diagnosis(
                            "alarms",
                            .bad,
                            "a memory or disk alarm blocks publishers: nothing goes on until it clears",
                            advice: "`rabbitmq-diagnostics alarms` names it; free memory or disk there"
                        )
                        : Diagnosis(
                            "alarms",
                            .bad,
                            "the broker does not take messages: \(error)",
                            advice: "look into its log and at `rabbitmq-diagnostics status`"
                        )
                }
            }
        }
        await publisher.close()
        return [finding]
    }
}

extension BrokerRole {
    fileprivate var article: String { self == .operator ? "an operator" : "a \(rawValue)" }
}

extension Settings {
    /// Asks the broker over a connection of its own.
    func asked<Value>(
        _ ask: (AMQPConnection) async throws(AMQPError) -> Value
    ) async throws(CommandFailure) -> Value {
        let connection = try await connect("doctor")
        let value: Value
        do {
            value = try await ask(connection)
        } catch {
            await connection.close()
            throw CommandFailure(error)
        }
        await connection.close()
        return value
    }
}
