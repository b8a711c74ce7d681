import AMQPClient
import Foundation
import ImageCore
import ImageStore
import PrivateServers
import SQLAccess
import SystemPackage

/// One installation of the built program: a prefix on the broker, a store, a data folder, and workers.
final class Installation: Sendable {
    enum Driver: String, Sendable {
        case local
        case simulated
    }

    let prefix: String
    let driver: Driver
    /// Everything its workers make lies below.
    let data: FilePath
    let locations: [String: FilePath]
    let store: any ImageStore
    let pool: WorkerPool
    private let program: FilePath
    private let environment: [String: String]
    private let logs: FilePath

    /// Makes the folders, the store and the queues; `pool` starts the workers.
    init(
        _ prefix: String,
        _ driver: Driver,
        program: FilePath,
        below folder: FilePath,
        locations: [String: FilePath],
        amqpURL: String,
        database: any StoreSite,
        workers: Int,
        settings: [String: String]
    ) async throws {
        self.prefix = prefix
        self.driver = driver
        self.program = program
        self.locations = locations
        data = folder.appending(prefix)
        logs = folder.appending("\(prefix)-logs")
        try FileManager.default.createDirectory(atPath: data.string, withIntermediateDirectories: true)
        try FileManager.default.createDirectory(atPath: logs.string, withIntermediateDirectories: true)
        let places = locations.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        environment = [
            "GOLDSMITH_AMQP_URL": amqpURL, "GOLDSMITH_UPSTREAMS": "*",
            "GOLDSMITH_STORE_URL": try await database.url(for: prefix),
            "GOLDSMITH_DATA": data.string, "GOLDSMITH_PREFIX": prefix, "GOLDSMITH_DRIVER": driver.rawValue,
            "GOLDSMITH_LOCATIONS": places.joined(separator: ","), "GOLDSMITH_LEASE": "4", "GOLDSMITH_HOLD": "5",
            "GOLDSMITH_GUEST_INSPECTION": "off", "GOLDSMITH_BOOT_PROOF": "off",
            "GOLDSMITH_DRAIN": "3", "GOLDSMITH_ATTEMPTS": "3", "PATH": "/usr/bin:/bin",
        ].merging(settings) { $1 }
        store = try await database.store(for: prefix)
        pool = try WorkerPool(workers, program: program, environment: environment, logs: logs)
        try await run("topology", "apply")
    }

    /// Runs a command of the program.
    func run(_ arguments: String...) async throws {
        let log = logs.appending("commands.log")
        let command = try ServerProcess(program.string, arguments, environment: environment, output: log)
        guard await command.hasEnded(within: .seconds(120)), command.exitStatus == 0 else {
            command.killNow()
            throw ChaosFailure("`goldsmith \(arguments.joined(separator: " "))` failed; see \(log)")
        }
    }

    /// The folders that hold what an image's making creates, by what they hold.
    var directories: [(kind: Resource.Kind, folder: FilePath)] {
        let root = driver == .simulated ? data.appending("simulated") : data
        let places = locations.map { name, folder in
            (Resource.Kind.replica, driver == .simulated ? root.appending("locations").appending(name) : folder)
        }
        return [(.imageFile, root.appending("images")), (.snapshot, root.appending("snapshots"))] + places
    }

    /// What is in a directory, as the file system says it.
    static func names(in folder: FilePath) throws -> Set<String> {
        guard FileManager.default.fileExists(atPath: folder.string) else { return [] }
        // Workers try now and then whether a folder can be written.
        return Set(try FileManager.default.contentsOfDirectory(atPath: folder.string).filter { !$0.hasPrefix(".") })
    }
}
