import Foundation
import GoldsmithTestSupport
import Logging
import SystemPackage

/// Everything that is on the machine during a run, and what can be done to it.
final class Stage: Sendable {
    let folder: FilePath
    let broker: BrokerSite
    let stores: any StoreSite
    let bulk: Installation
    let real: Installation
    let instances: RealInstances
    private let smallDisk: SmallDisk?

    static let instanceCount = 6

    /// Starts the servers and makes instances; no worker runs yet.
    static func set(_ plan: ChaosPlan, in folder: FilePath) async throws -> Stage {
        Progress.say("starting \(plan.isCluster ? "a cluster of three RabbitMQ nodes" : "RabbitMQ")")
        let broker = try await BrokerSite.start(below: folder, isCluster: plan.isCluster)
        do {
            let stores = try await plan.store.start(below: folder)
            do {
                return try await Stage(plan, folder, broker, stores)
            } catch {
                await stores.stop()
                throw error
            }
        } catch {
            await broker.stop()
            throw error
        }
    }

    private init(
        _ plan: ChaosPlan,
        _ folder: FilePath,
        _ broker: BrokerSite,
        _ stores: any StoreSite
    ) async throws {
        self.folder = folder
        self.broker = broker
        self.stores = stores
        smallDisk = try await SmallDisk.mount(at: folder.appending("small"), mebibytes: 64 + 4 * plan.realImages)
        if smallDisk == nil { Progress.say("no file system can be mounted here: no location will be filled") }
        // What a purge or a kill leaves behind is found in the course of the run, not ten minutes after it.
        let orphansEvery = "\(max(20, plan.images / 50))"
        bulk = try await Installation(
            "bulk",
            .simulated,
            program: plan.program,
            below: folder,
            locations: ["east": folder.appending("bulk/east"), "west": folder.appending("bulk/west")],
            amqpURL: broker.url,
            database: stores,
            workers: 3,
            settings: [
                "GOLDSMITH_CONCURRENCY": "8", "GOLDSMITH_SIMULATED_DELAY": "200",
                "GOLDSMITH_SIMULATED_FAULT_RATE": "0.1", "GOLDSMITH_ORPHANS_EVERY": orphansEvery,
            ]
        )
        let east = folder.appending("real/locations/east")
        real = try await Installation(
            "real",
            .local,
            program: plan.program,
            below: folder,
            locations: ["east": east, "west": smallDisk?.folder ?? folder.appending("real/locations/west")],
            amqpURL: broker.url,
            database: stores,
            workers: 2,
            settings: ["GOLDSMITH_CONCURRENCY": "2", "GOLDSMITH_ORPHANS_EVERY": "20"]
        )
        instances = RealInstances(installation: real, count: Self.instanceCount)
        Progress.say("making \(Self.instanceCount) instances with real disks")
        try await instances.make()
        try await real.run("quota", "set", "--owner", "real", "--images", "1000000", "--snapshots", "1000000")
    }

    var installations: [Installation] { [bulk, real] }
    var workers: [(pool: WorkerPool, index: Int)] {
        installations.flatMap { installation in (0..<installation.pool.count).map { (installation.pool, $0) } }
    }

    var faults: [Fault] {
        [.killWorker, .freezeWorker, .drainWorker, .startInstance] + broker.faults + stores.faults
            + (smallDisk == nil ? [] : [.fillLocation])
    }

    /// Lets one fault happen, and ends it.
    func inflict(_ fault: Fault, _ generator: inout SeededGenerator) async throws {
        let time = Duration.milliseconds(Int.random(in: 3000..<9000, using: &generator))
        let (pool, index) = workers[Int.random(in: 0..<workers.count, using: &generator)]
        let prefix = Bool.random(using: &generator) ? bulk.prefix : real.prefix
        let steps = ["stop-check", "system-disk", "data-disk", "replicate", "clean-up"]
        let queue = "\(prefix).job.\(steps[Int.random(in: 0..<steps.count, using: &generator)])"
        let bytes = Int.random(in: 1..<20_000, using: &generator)
        let instance = Int.random(in: 0..<instances.count, using: &generator)
        switch fault {
        case .killWorker: pool.kill(index)
        case .freezeWorker:
            pool.freeze(index)
            defer { pool.thaw(index) }
            // Past its lease, which is four seconds.
            try await Task.sleep(for: time + .seconds(2))
        case .drainWorker: try await pool.drain(index)
        case .fillLocation:
            try smallDisk?.fill()
            try await Task.sleep(for: time)
            try smallDisk?.empty()
        case .startInstance:
            try instances.setStatus("Running", of: instance)
            try await Task.sleep(for: time)
            try instances.setStatus("Stopped", of: instance)
        case .killStore, .restartStore, .freezeStore, .cutStore, .cutStatement:
            try await stores.inflict(fault, for: time, bytes: bytes)
        case .killBroker, .restartBroker, .freezeBroker, .killLeader, .cutBroker, .cutFrame, .memoryAlarm, .purgeQueue:
            try await broker.inflict(fault, for: time, queue: queue, bytes: bytes)
        }
    }

    /// Ends every fault.
    func heal() async throws {
        for (pool, index) in workers { pool.thaw(index) }
        try smallDisk?.empty()
        try instances.stopAll()
        try await stores.heal()
        try await broker.heal()
    }

    /// Ends everything. The folder stays.
    func strike() async {
        for installation in installations { _ = await installation.pool.close() }
        await smallDisk?.unmount()
        await stores.stop()
        await broker.stop()
    }
}

/// What cannot go on, in a sentence.
struct ChaosFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// What a run tells people while it runs; the result alone goes to standard output.
enum Progress {
    static func say(_ text: String) { FileHandle.standardError.write(Data("chaos: \(text)\n".utf8)) }
}

let chaosLogger: Logger = {
    var logger = Logger(label: "chaos") { StreamLogHandler.standardError(label: $0) }
    // Lost connections are what this is about.
    logger.logLevel = .critical
    return logger
}()
