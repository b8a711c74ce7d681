import AMQPClient
import Glibc
import ImageCore
import ImageDrivers
import ImageStore
import ImageWorker
import Logging
import OpenStackDriver
import SQLAccess
import SystemPackage
import TerminalText

/// Where concrete stores, drivers and brokers are put together; nothing else knows them.
extension Settings {
    /// - Parameter level: from which level on it writes, unless the setting says otherwise. `error` is for commands
    ///   that end by themselves: their own last word tells what the log would tell many times.
    func logger(_ label: String, level: Logger.Level = .info) async throws(CommandFailure) -> Logger {
        let format = try await logFormat()
        var logger = Logger(label: label) { label -> any LogHandler in
            switch format {
            case .text: StreamLogHandler.standardError(label: label)
            case .json: JSONLog(label: label) { Terminal.write($0, to: .standardError) }
            }
        }
        logger.logLevel = try await logLevel(default: level)
        return logger
    }

    /// - Parameter makesIt: whether the database and its tables are made when they are missing. Only for what serves: a
    ///   listing that makes an empty database of a mistyped path would say "no images", and one must not change what
    ///   workers of another version are at work on.
    /// - Parameter observer: notified of every call of the store.
    func openStore(
        makesIt: Bool = false,
        observer: (@Sendable (StoreCall) -> Void)? = nil
    ) async throws(CommandFailure) -> any ImageStore {
        let address = try await storeAddress()
        if !makesIt { try address.mustExist() }
        let database = try address.open()
        let schema = try await address.schema(of: database)
        let versions = "the database has schema version \(schema.version), this program knows \(schema.known)"
        switch schema.state {
        case .current: break
        case .newer: throw CommandFailure(.failed, versions, advice: "use the newer program")
        case .empty, .behind:
            guard makesIt else {
                throw CommandFailure(
                    .unavailable,
                    schema.state == .empty ? "the database has no tables yet" : versions,
                    advice: "run `goldsmith database migrate`, or start a worker; are "
                        + "\(SettingKey.storeUrl.environmentName) and this program the workers'?"
                )
            }
        }
        do throws(StoreError) {
            return try await SQLImageStore(on: database, observer: observer)
        } catch {
            throw address.failure(error)
        }
    }

    /// The driver of a worker, with its folders made.
    func workerDriver(_ logger: Logger) async throws(CommandFailure) -> any ImageDriver & ToolTrial {
        try await allDrivers(logger, makesFolders: true)
    }

    /// A driver to look at instances with; nothing is made.
    func viewedDriver(_ logger: Logger) async throws(CommandFailure) -> any ImageDriver {
        try await allDrivers(logger, makesFolders: false)
    }

    private func allDrivers(
        _ logger: Logger,
        makesFolders: Bool
    ) async throws(CommandFailure) -> any ImageDriver & ToolTrial {
        var members: [DriverSet.Member] = []
        for entry in try await drivers() {
            var logger = logger
            if let name = entry.name { logger[metadataKey: "driver"] = "\(name)" }
            let driver = try await driver(entry, logger, makesFolders: makesFolders)
            guard let name = entry.name else { return driver }
            members.append(DriverSet.Member(name, driver))
        }
        return DriverSet(members[0], Array(members.dropFirst()), logger: logger)
    }

    private func driver(
        _ entry: DriverEntry,
        _ logger: Logger,
        makesFolders: Bool
    ) async throws(CommandFailure) -> any PeerDriver {
        switch entry.kind {
        case .local:
            let driver = try await folderDriver(entry, logger)
            if makesFolders { try made { () throws(StepFailure) in try driver.makeFolders() } }
            return driver
        case .libvirt:
            let driver = try await domainDriver(entry, logger)
            if makesFolders { try made { () throws(StepFailure) in try driver.makeFolders() } }
            return driver
        case .openstack: return try await cloudDriver(entry, logger)
        case .simulated:
            let places = try await locations(of: entry)
            return SimulatedDriver(
                locations: Array(places.keys),
                locationHosts: places.compactMapValues(\.host),
                hosts: try await hosts(),
                host: try await host(),
                folder: "\(try await root(of: entry))/simulated",
                impliesInstances: true,
                faults: try await simulatedFaults()
            )
        }
    }

    private func made(_ folders: () throws(StepFailure) -> Void) throws(CommandFailure) {
        do throws(StepFailure) { try folders() } catch { throw CommandFailure(error) }
    }

    /// Folders and qcow2 files.
    func folderDriver(_ entry: DriverEntry, _ logger: Logger) async throws(CommandFailure) -> LocalDriver {
        LocalDriver(
            root: try await root(of: entry),
            locations: try await reachedLocations(of: entry),
            copyRate: try await copyRate(),
            inspector: try await guestInspector(),
            prover: try await bootProver(),
            logger: logger
        )
    }

    /// Connects for one command.
    func connect(_ name: String) async throws(CommandFailure) -> AMQPConnection {
        let connection = AMQPConnection(
            endpoint: try await endpoint(),
            name: "goldsmith \(name)",
            logger: try await logger("goldsmith")
        )
        do {
            try await connection.open()
        } catch {
            throw CommandFailure(error)
        }
        return connection
    }
}

extension WorkerID {
    /// `<host>-<process id>`: what an operator needs to find the process.
    static var ofThisProcess: WorkerID {
        let plain = host.filter { $0.isASCII && ($0.isLetter || $0.isNumber) }
        return WorkerID(known: "\(plain.isEmpty ? "host" : plain.prefix(40))-\(getpid())")
    }

    /// This machine's name.
    static var host: String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        let bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return PlainText.word(String(decoding: bytes, as: UTF8.self))
    }
}

extension StoreAddress {
    /// - Throws: when a file is missing.
    func mustExist() throws(CommandFailure) {
        guard case .sqlite(let path) = self, access(path, F_OK) != 0 else { return }
        throw CommandFailure(
            .unavailable,
            "there is no database at \(path)",
            advice: "a worker makes it when it starts; is \(SettingKey.storeUrl.environmentName) right?"
        )
    }

    func open() throws(CommandFailure) -> any SQLDatabase {
        do throws(SQLError) {
            switch self {
            case .sqlite(let path): return try SQLiteDatabase(path: path)
            case .postgresql(let url): return try PostgreSQLDatabase(url: url)
            }
        } catch {
            throw failure(StoreError(error))
        }
    }

    /// How far its schema is. Changes nothing.
    func schema(of database: any SQLDatabase) async throws(CommandFailure) -> SchemaStatus {
        do throws(StoreError) {
            return try await SQLImageStore.schema(of: database)
        } catch {
            throw failure(error)
        }
    }

    fileprivate func failure(_ error: StoreError) -> CommandFailure {
        guard error.kind == .unavailable, error.advice == nil else { return CommandFailure(error) }
        return CommandFailure(.unavailable, error.message, advice: advice)
    }
}

/// Turns a store's error into a command's.
func stored<Value>(
    _ operation: () async throws(StoreError) -> Value
) async throws(CommandFailure) -> Value {
    do {
        return try await operation()
    } catch {
        throw CommandFailure(error)
    }
}
