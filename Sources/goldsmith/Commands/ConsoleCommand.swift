import ArgumentParser
import Glibc
import ImageCore
import ImageWorker
import OperatorConsole
import ServiceLifecycle
import UnixSignals

struct ConsoleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "console",
        abstract: "Serve the web console, or make an account for it.",
        discussion: """
            Examples:
              goldsmith console                                       on 127.0.0.1:8484, with a token in the data folder
              goldsmith console user alice --role operator >> users   asks for her password
              GOLDSMITH_CONSOLE_USERS_FILE=users goldsmith console
            """,
        subcommands: [ConsoleServe.self, ConsoleUser.self, ConsoleToken.self],
        defaultSubcommand: ConsoleServe.self
    )
}

struct ConsoleServe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve the web console until told to stop.",
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
        let monitored = try await settings.metricsListen()
        let watch = ConsoleWatch.ofThisProcess()
        let console = try await settings.console(on: address, access.accounts, watch, logger) { port in
            Terminal.say("console: \(access.url(address, port: port))")
        }
        let monitor = monitored.map { Monitor(of: watch, on: $0, logger) }
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
        abstract: "Print the users' file's line of somebody with a password.",
        discussion: """
            The password is asked for, or read from standard input up to the end of the line; only its hash is printed.
            Example: goldsmith console user alice --role operator >> /etc/goldsmith/users
            """
    )

    @Argument(help: "The name to log in with.") var name: String
    @Option(help: "viewer or operator.") var role: String

    func run() async throws {
        let role = try Role(argument: role)
        // Before anybody types a password for it.
        guard Account.isName(name) else { throw CommandFailure.badName }
        guard let password = Terminal.secret("Password: "), (8...1024).contains(password.utf8.count) else {
            throw CommandFailure(
                .usage,
                "a password has 8 to 1024 bytes",
                advice: "type it at the prompt, or give it in one line of standard input"
            )
        }
        let hash: HashedSecret
        do { hash = try HashedSecret.ofPassword(password) } catch {
            throw CommandFailure(.failed, "the password cannot be hashed: \(error)")
        }
        Terminal.say(try Account.made(name, role, hash).line)
    }
}

struct ConsoleToken: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Make a token for a program, and print the users' file's line of it.",
        discussion: """
            The line goes to standard output, the token itself to standard error; it is shown once and kept nowhere.
            Example: goldsmith console token monitoring --role viewer >> /etc/goldsmith/users
            """
    )

    @Argument(help: "A name for logs.") var name: String
    @Option(help: "viewer or operator.") var role: String

    func run() async throws {
        let token = RandomBytes.token()
        let account = try Account.made(name, try Role(argument: role), HashedSecret.ofToken(token))
        Terminal.say(account.line)
        Terminal.complain(token)
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
