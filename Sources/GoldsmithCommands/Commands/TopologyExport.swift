import AMQPClient
import ArgumentParser
import ImageCore
import RabbitMQTransport
import TerminalText

struct TopologyExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Print a definitions file for RabbitMQ: queues, exchanges, and a user for each role.",
        discussion: """
            Whoever runs the broker imports it; no user in it may make or delete a queue. Passwords come from the settings \
            producerPassword, workerPassword, operatorPassword and consolePassword (environment or file, never a flag), and \
            stand in the file as salted hashes. Without one a user cannot log in, also one whose password was set by hand.

            Example:
              export GOLDSMITH_WORKER_PASSWORD_FILE=/run/secrets/worker
              goldsmith topology export --vhost images > definitions.json
              rabbitmqctl import_definitions definitions.json
            """
    )

    @OptionGroup var shared: SharedOptions
    @Option(help: ArgumentHelp("Hosts with lanes of their own. Default: the setting hosts.", valueName: "list"))
    var hosts: String?
    @Option(help: "The virtual host. Created if it is missing.") var vhost = "/"
    @Option(
        help: ArgumentHelp(
            "Owners whose events the producer may read, separated by commas. Default: all.",
            valueName: "list"
        )
    )
    var owners: String?

    func run() async throws {
        let settings = try await shared.settings([.hosts: hosts])
        guard !vhost.isEmpty, vhost.utf8.count <= 255 else {
            throw CommandFailure(.usage, "--vhost must be 1 to 255 bytes long")
        }
        let owners = try (owners ?? "").split(separator: ",", omittingEmptySubsequences: owners == nil).map { text in
            guard let owner = Owner(String(text)) else {
                throw CommandFailure(
                    .usage,
                    "--owners: '\(PlainText.word(String(text)))' is no owner (\(Owner.sentence))"
                )
            }
            return owner
        }
        var hashes: [BrokerRole: String] = [:]
        for role in BrokerRole.allCases {
            hashes[role] = try await settings.password(of: role).map { PasswordHash.make($0) }
        }
        let topology = try await settings.topology()
        Terminal.say(try BrokerDefinitions(topology, vhost: vhost, owners: owners, hashes: hashes).json)
        let locked = BrokerRole.allCases.filter { hashes[$0] == nil }
        guard !locked.isEmpty else { return }
        Terminal.complain(
            "note: without a password, \(locked.map { topology.user(of: $0) }.joined(separator: ", ")) cannot log in"
                + "\n  → set \(locked.map { $0.passwordKey.environmentName }.joined(separator: ", ")), or …_FILE"
        )
    }
}

extension BrokerRole {
    var passwordKey: SettingKey {
        switch self {
        case .producer: .producerPassword
        case .worker: .workerPassword
        case .operator: .operatorPassword
        case .console: .consolePassword
        }
    }
}
