import AMQPClient
import Foundation
import ImageCore
import ImageWorker
import Logging
import Observability
import OperatorConsole
import RabbitMQTransport
import TerminalText

/// The accounts, and the token that this console has made for users who can read its data folder.
struct ConsoleAccess {
    var accounts: Accounts
    var token: String?

    /// What to open. The token stands behind the `#`, which browsers keep to themselves, and only a person at a
    /// terminal is shown it: other output ends up in logs.
    func url(_ address: ListenAddress, port: Int) -> String {
        let place = "http://\(ListenAddress(host: address.host, port: port).authority)/"
        guard let token else { return place }
        return Terminal.isInteractive ? place + "login#token=\(token)" : "\(place) (its token is in console-token)"
    }
}

extension Settings {
    /// A console over the store, driver and broker of these settings.
    func console(
        on address: ListenAddress,
        _ accounts: Accounts,
        _ telemetry: ConsoleTelemetry,
        _ logger: Logger,
        listening: @escaping @Sendable (Int) async -> Void
    ) async throws(CommandFailure) -> Console {
        let connection = AMQPConnection(endpoint: try await endpoint(), name: "goldsmith console", logger: logger)
        let options = ConsoleOptions(
            address: address,
            origin: try await consoleOrigin(),
            proxies: try await consoleTrustedProxies()
        )
        let store = try await openStore()
        let broker = AMQPBrokerStatus(connection: connection, topology: try await topology())
        let driver = try await viewedDriver(logger)
        do throws(RefusedToListen) {
            return try Console(
                options: options,
                accounts: accounts,
                store: store,
                driver: driver,
                broker: broker,
                time: SystemTime(),
                telemetry: telemetry,
                logger: logger,
                listening: listening
            )
        } catch {
            switch error {
            case .withoutOrigin:
                throw CommandFailure(
                    .usage,
                    "others can reach \(address.authority), and the setting consoleOrigin does not say by which address",
                    advice: "set \(SettingKey.consoleOrigin.environmentName) to what stands in their address bar"
                )
            }
        }
    }

    /// The users' file, or on loopback a token of its own in the data folder.
    func consoleAccounts(for address: ListenAddress) async throws(CommandFailure) -> ConsoleAccess {
        if let file = try await consoleUsersFile() {
            return ConsoleAccess(accounts: try Self.accounts(in: file))
        }
        guard address.isLoopback else {
            throw CommandFailure(
                .usage,
                "others can reach \(address.authority), and there is no file of users",
                advice:
                    "make one with `goldsmith console user`, and name it in \(SettingKey.consoleUsersFile.environmentName)"
            )
        }
        let token = try KeptToken.inFolder(data)
        guard let account = Account(name: "localhost", role: .operator, secret: .ofToken(token)) else {
            throw CommandFailure(.failed, "the token's account cannot be made")
        }
        return ConsoleAccess(accounts: Accounts([account]), token: token)
    }

    private static func accounts(in file: String) throws(CommandFailure) -> Accounts {
        guard let bytes = FileManager.default.contents(atPath: file),
            let attributes = try? FileManager.default.attributesOfItem(atPath: file),
            let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue
        else {
            throw CommandFailure(.usage, "cannot read \(file)", advice: "does it exist, and may this user read it?")
        }
        guard mode & 0o077 == 0 else {
            throw CommandFailure(.usage, "others may read \(file), which holds secrets", advice: "chmod 600 \(file)")
        }
        do {
            return try Accounts(parsing: String(decoding: bytes, as: UTF8.self))
        } catch let problem as Accounts.Problem {
            throw CommandFailure(.usage, "\(file), line \(problem.line): \(problem.message)")
        } catch {
            throw CommandFailure(
                .failed,
                "\(file): \(error)",
                advice: "make its lines with `goldsmith console user` or `console token`"
            )
        }
    }
}

extension ConsoleTelemetry {
    static func ofThisProcess() -> ConsoleTelemetry {
        ConsoleTelemetry(version: Goldsmith.version, at: SystemTime().now())
    }
}

extension HealthServer {
    /// Serves the console's metrics on a port of their own: a reader of metrics needs no access to the console.
    init(of telemetry: ConsoleTelemetry, on address: ListenAddress, _ logger: Logger) {
        let time = SystemTime()
        self.init(
            on: address,
            metrics: { telemetry.metrics(at: time.now()) },
            // Nothing is known that only another start would cure: a store that is away is away for the next one too.
            alive: { Verdict(isGood: true, reasons: []) },
            ready: { telemetry.ready(at: time.now()) },
            logger: logger
        )
    }
}

/// The login token of a console without users, in a file that only its owner can read.
enum KeptToken {
    static func inFolder(_ data: String) throws(CommandFailure) -> String {
        let path = data + "/console-token"
        if let bytes = FileManager.default.contents(atPath: path) {
            let token = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            if [32, 64].contains(token.utf8.count), token.allSatisfy(\.isHexDigit) { return token }
        }
        try? FileManager.default.removeItem(atPath: path)
        // 128 bits cannot be guessed, and an address with them fits into the width of a terminal.
        let token = String(RandomBytes.token().prefix(32))
        let made = FileManager.default.createFile(
            atPath: path,
            contents: Data((token + "\n").utf8),
            attributes: [.posixPermissions: 0o600]
        )
        guard made else {
            throw CommandFailure(
                .failed,
                "cannot keep a login token at \(path)",
                advice: "is the data folder there? Or set \(SettingKey.consoleUsersFile.environmentName)"
            )
        }
        return token
    }
}
