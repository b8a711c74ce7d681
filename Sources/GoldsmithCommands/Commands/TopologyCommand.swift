import AMQPClient
import ArgumentParser
import RabbitMQTransport
import TerminalText

struct TopologyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topology",
        abstract: "The exchanges and queues on the broker.",
        discussion: """
            Examples:
              goldsmith topology apply      makes what is missing; needs configure rights
              goldsmith topology verify     compares; a worker's rights are enough
              goldsmith topology export     definitions, with a user for each role
            """,
        subcommands: [TopologyApply.self, TopologyVerify.self, TopologyShow.self, TopologyExport.self]
    )
}

struct TopologyApply: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Declare what is missing. Needs configure rights; changes and deletes nothing.",
        discussion: """
            May be run again at any time. An update of Goldsmith that needs a new queue says so in its changelog.

            A host that is named gets a queue for each step. One that is named no longer keeps its queues.

            Examples:
              GOLDSMITH_AMQP_URL_FILE=/run/deploy-url goldsmith topology apply
              GOLDSMITH_AMQP_URL_FILE=/run/deploy-url goldsmith topology apply --hosts h1,h2
            """
    )

    @OptionGroup var wanted: TopologyOptions

    func run() async throws {
        let (topology, differences) = try await wanted.differences("topology apply") {
            (topology, connection) throws(AMQPError) in
            try await topology.apply(on: connection)
        }
        if !differences.isEmpty, differences.allSatisfy(\.isRefusal) {
            throw CommandFailure(
                .conflict,
                "the broker's user '\(try await wanted.settings().endpoint().user)' may not make exchanges and queues: "
                    + "nothing was made",
                advice:
                    "apply with a user that has configure rights, or import what `goldsmith topology export` prints; "
                    + "`goldsmith topology verify` says whether anything is missing"
            )
        }
        try report(differences)
        Terminal.say("\(topology.exchanges.count) exchanges and \(topology.queues.count) queues are in place")
    }
}

struct TopologyVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Compare the broker's exchanges and queues with what is needed. A worker's rights are enough.",
        discussion: """
            Ends with 4 when something differs. Brokers do not tell of bindings over this protocol; `topology apply` puts \
            missing ones back.

            Example: goldsmith topology verify
            """
    )

    @OptionGroup var wanted: TopologyOptions

    func run() async throws {
        let (_, differences) = try await wanted.differences("topology verify") {
            (topology, connection) throws(AMQPError) in
            try await topology.verify(on: connection)
        }
        try report(differences)
        Terminal.say("the broker has every exchange and queue, as they should be")
    }
}

struct TopologyShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show the exchanges and queues the broker should have.",
        discussion: """
            Asks no broker: it is what this version needs, under the prefix that is set.

            Examples:
              goldsmith topology show
              goldsmith topology show --json
            """
    )

    @OptionGroup var wanted: TopologyOptions
    @OptionGroup var output: OutputOptions

    private struct View: Encodable {
        struct Exchange: Encodable {
            var name: String
            var type: String
            var arguments: [String: String]
        }

        struct Queue: Encodable {
            var name: String
            var purpose: String
            var arguments: [String: String]
        }

        struct Binding: Encodable {
            var exchange: String
            var routingKey: String
            var queue: String
        }

        var exchanges: [Exchange]
        var queues: [Queue]
        var bindings: [Binding]
    }

    func run() async throws {
        let topology = try await wanted.settings().topology()
        if output.json {
            let view = View(
                exchanges: topology.exchanges.map {
                    .init(name: $0.name, type: $0.type, arguments: $0.arguments.mapValues(\.plain))
                },
                queues: topology.queues.map {
                    .init(name: $0.name, purpose: $0.purpose, arguments: $0.arguments.mapValues(\.plain))
                },
                bindings: topology.bindings.map {
                    .init(exchange: $0.exchange, routingKey: $0.routingKey, queue: $0.queue)
                }
            )
            return try Terminal.say(json: view)
        }
        var exchanges = Table("EXCHANGE", "TYPE")
        for exchange in topology.exchanges { exchanges.add(exchange.name, exchange.type) }
        var queues = Table("QUEUE", .dropped("FOR", 1), .wrapped("BOUND TO"), .wrapped("ARGUMENTS"))
        for queue in topology.queues {
            let bindings = topology.bindings.filter { $0.queue == queue.name }
            queues.add(
                queue.name,
                queue.purpose,
                bindings.map { "\($0.exchange) \($0.routingKey)" }.joined(separator: ", "),
                queue.arguments.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.plain)" }.joined(separator: " ")
            )
        }
        Terminal.say(exchanges.text + "\n\n" + queues.text)
    }
}

extension AMQPValue {
    /// For people: the value without its type.
    var plain: String {
        switch self {
        case .string(let text): text
        case .int(let number): String(number)
        case .bool(let flag): String(flag)
        case .double, .bytes, .timestamp, .array, .table, .void: "\(self)"
        }
    }
}

/// Which exchanges and queues the broker should have.
struct TopologyOptions: ParsableArguments {
    @OptionGroup var shared: SharedOptions
    @Option(help: ArgumentHelp("Hosts with lanes of their own. Default: the setting hosts.", valueName: "list"))
    var hosts: String?

    func settings() async throws -> Settings { try await shared.settings([.hosts: hosts]) }

    /// - Parameter name: the connection's, as the broker shows it.
    fileprivate func differences(
        _ name: String,
        _ look: (Topology, AMQPConnection) async throws(AMQPError) -> [TopologyDifference]
    ) async throws -> (Topology, [TopologyDifference]) {
        let settings = try await settings()
        let topology = try await settings.topology()
        let connection = try await settings.connect(name)
        do throws(AMQPError) {
            let differences = try await look(topology, connection)
            await connection.close()
            return (topology, differences)
        } catch {
            throw CommandFailure(error)
        }
    }
}

private func report(_ differences: [TopologyDifference]) throws(CommandFailure) {
    guard !differences.isEmpty else { return }
    throw CommandFailure(
        .conflict,
        "the broker differs from what is needed:\n"
            + differences.map { "    \($0)" }.joined(separator: "\n"),
        advice:
            "run `goldsmith topology apply` for what is missing; what differs must be deleted first, when it is empty"
    )
}
