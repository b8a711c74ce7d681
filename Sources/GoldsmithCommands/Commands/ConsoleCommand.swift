import ArgumentParser
import Glibc
import ImageCore
import ImageWorker
import Logging
import Observability
import OperatorConsole
import ServiceLifecycle
import TerminalText
import UnixSignals

struct ConsoleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "console",
        abstract: "Serve the web console, or create an account for it.",
        discussion: """
            Examples:
              goldsmith console                           on 127.0.0.1:8484, with a token in the data folder
              goldsmith console user alice --role operator --file users
              GOLDSMITH_CONSOLE_USERS_FILE=users goldsmith console
            """,
        subcommands: [ConsoleServe.self, ConsoleUser.self, ConsoleToken.self],
        defaultSubcommand: ConsoleServe.self
    )
}

struct ConsoleServe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve the web console until it is stopped.",
        discussion: """
            Elsewhere than on loopback it needs a file of users (setting consoleUsersFile) and the address that people use \
            (setting consoleOrigin). It speaks no TLS itself: put a proxy in front.

            Examples:
              goldsmith console serve
              goldsmith console --listen 127.0.0.1:9000
            """
    )

    @OptionGroup var shared: SharedOptions
    @Option(help: ArgumentHelp("Where to listen. Default 127.0.0.1:8484.", valueName: "address")) var listen: String?
    @Option(help: "IP address or localhost, and port, for /metrics, /healthz and /readyz. Default: none.")
    var metricsListen: String?

    func run() async throws {
        let settings = try await shared.settings([.consoleListen: listen, .metricsListen: metricsListen])
        let logger = try await settings.logger("goldsmith.console")
        let address = try await settings.consoleListen(default: .standard)
        let access = try await settings.consoleAccounts(for: address)
        if access.accounts.isEmpty {
            logger.warning(
                "no one can log in: the users file is empty",
                metadata: ["advice": "add a user with `goldsmith console user --file`, then start the console again"]
            )
        }
        let monitored = try await settings.metricsListen()
        let telemetry = ConsoleTelemetry.ofThisProcess()
        let console = try await settings.console(on: address, access.accounts, telemetry, logger) { port in
            Terminal.say("console: \(access.url(address, port: port))")
        }
        let monitor = monitored.map { HealthServer(of: telemetry, on: $0, logger) }
        let watched: any Service = monitor?.before(console) ?? console
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: (monitor.map { [.init(service: $0)] } ?? [])
                    + [.init(service: watched, successTerminationBehavior: .gracefullyShutdownGroup)],
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: logger
            )
        )
        do {
            try await group.run()
        } catch let failure as CommandFailure {
            throw failure
        } catch let error as CannotListen {
            throw CommandFailure(error)
        } catch {
            throw CommandFailure(.unavailable, "cannot serve \(address.authority): \(error)")
        }
    }
}

struct ConsoleUser: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user",
        abstract: "Add a user with a password to the console's file of users, or change the password.",
        discussion: """
            Asks for the password twice at the terminal, where it does not show; without a terminal, reads one line of \
            standard input. Only its hash is kept. Start the console again afterwards.

            Examples:
              goldsmith console user alice --role operator --file /etc/goldsmith/console-users
              goldsmith console user alice --role operator     prints the line instead
            """
    )

    @Argument(help: "The name to log in with.") var name: String
    @Option(help: "viewer or operator.", completion: Completions.roles) var role: String
    @OptionGroup var destination: UsersFileOptions

    func run() async throws {
        let role = try Role(argument: role)
        // Before a user types a password for it.
        guard Account.isName(name) else { throw CommandFailure.badName }
        try destination.check()
        let password = try PasswordPrompt.newPassword(of: name)
        let hash: HashedSecret
        do { hash = try HashedSecret.ofPassword(password) } catch {
            throw CommandFailure(.failed, "the password cannot be hashed: \(error)")
        }
        try destination.take(try Account.made(name, role, hash))
    }
}

struct ConsoleToken: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Create a token for a program, and add it to the console's file of users.",
        discussion: """
            The token goes to standard error; it is shown once and kept nowhere. Start the console again afterwards.

            Examples:
              goldsmith console token monitoring --role viewer --file /etc/goldsmith/console-users
              goldsmith console token monitoring --role viewer     prints the line instead
            """
    )

    @Argument(help: "A name for logs.") var name: String
    @Option(help: "viewer or operator.", completion: Completions.roles) var role: String
    @OptionGroup var destination: UsersFileOptions

    func run() async throws {
        let token = RandomBytes.token()
        let account = try Account.made(name, try Role(argument: role), HashedSecret.ofToken(token))
        try destination.take(account)
        Terminal.complain(token)
    }
}

/// Where a new account goes.
struct UsersFileOptions: ParsableArguments {
    @Option(
        help: "The file to add it to; a line of that name is replaced. Default: print the line.",
        completion: .file()
    )
    var file: String?

    /// Before a password is typed in vain.
    func check() throws(CommandFailure) {
        if let file { _ = try UsersFileOnDisk(file).text() }
    }

    func take(_ account: Account) throws(CommandFailure) {
        guard let file else { return Terminal.say(account.line) }
        switch try UsersFileOnDisk(file).set(account) {
        case .added: Terminal.say("\(account.name) is added to \(file)")
        case .replaced: Terminal.say("\(account.name) is changed in \(file)")
        }
    }
}

extension Role {
    fileprivate init(argument: String) throws(CommandFailure) {
        guard let role = Role(rawValue: argument) else {
            let known = Role.allCases.map(\.rawValue).joined(separator: " or ")
            throw CommandFailure(.usage, "--role must be \(known)")
        }
        self = role
    }
}

extension Account {
    fileprivate static func made(_ name: String, _ role: Role, _ secret: HashedSecret) throws(CommandFailure) -> Account
    {
        guard let account = Account(name: name, role: role, secret: secret) else {
            throw CommandFailure.badName
        }
        return account
    }
}

extension CommandFailure {
    fileprivate static let badName = CommandFailure(.usage, "the name: \(Account.nameSentence)")
}
