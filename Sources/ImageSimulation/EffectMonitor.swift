import ImageCore
import ImageWorker
import Synchronization

/// Remembers what goes on at this moment, for the checks that only look at the end would miss.
final class EffectMonitor: Sendable {
    struct Work {
        var resource: Resource
        var part: String
        var process: SimulatedProcess
        var troubles: Int
    }

    private struct State {
        var working: [Int: Work] = [:]
        var published: [String: Int] = [:]
        var last = 0
    }

    private let state = Mutex(State())

    func published(_ id: String, by worker: String) {
        state.withLock { $0.published[worker + " " + id, default: 0] += 1 }
    }

    func publications(of id: String, by worker: String) -> Int {
        state.withLock { $0.published[worker + " " + id] ?? 0 }
    }

    /// - Parameter subject: what tells two jobs of one part apart: several instances may be launched at once.
    /// - Returns: the number to end it with, and who works on the same though nothing has happened to him.
    func begin(_ resource: Resource, _ subject: String, by process: SimulatedProcess) -> (Int, rival: Work?) {
        // Image and part, without the fencing number.
        let part = resource.id.text.split(separator: ".").dropLast().joined(separator: ".") + " " + subject
        return state.withLock { state in
            let rival = state.working.values.first {
                $0.part == part && !$0.process.plan.isDead && !$0.process.isGone && $0.troubles == $0.process.troubles
            }
            state.last += 1
            state.working[state.last] = Work(
                resource: resource,
                part: part,
                process: process,
                troubles: process.troubles
            )
            return (state.last, rival)
        }
    }

    func end(_ number: Int) { state.withLock { $0.working[number] = nil } }
}

/// A driver that is watched while it makes something.
struct MonitoredDriver: ImageDriver {
    let driver: any ImageDriver
    let process: SimulatedProcess
    let world: World

    func describe(_ instance: InstanceID, for owner: Owner?) async throws(StepFailure) -> Instance {
        try await driver.describe(instance, for: owner)
    }
    func instances() async throws(StepFailure) -> [Instance] { try await driver.instances() }
    func locations() async throws(StepFailure) -> [LocationName] { try await driver.locations() }
    func checkDisk(_ device: DeviceName, of instance: InstanceID) async throws(StepFailure) {
        try await driver.checkDisk(device, of: instance)
    }
    func copyBytes(of device: DeviceName, of instance: InstanceID) async throws(StepFailure) -> Int64 {
        try await driver.copyBytes(of: device, of: instance)
    }
    func inspectGuest(of instance: InstanceID) async throws(StepFailure) -> GuestInspection {
        try await driver.inspectGuest(of: instance)
    }
    func inventory() async throws(StepFailure) -> [Resource] { try await driver.inventory() }
    func delete(_ resource: Resource) async throws(StepFailure) { try await driver.delete(resource) }
    func rollBackLaunch(_ resource: Resource) async throws(StepFailure) { try await driver.rollBackLaunch(resource) }
    func publishInstance(_ launch: Launch, from resource: Resource) async throws(StepFailure) {
        try await driver.publishInstance(launch, from: resource)
    }

    func capture(
        _ device: DeviceName,
        of instance: InstanceID,
        into resource: Resource,
        fixesGuest: Bool,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> Capture {
        let number = await begin(resource)
        defer { world.monitor.end(number) }
        return try await driver.capture(
            device,
            of: instance,
            into: resource,
            fixesGuest: fixesGuest,
            progress: progress
        )
    }

    func replicate(
        _ captures: [Capture],
        manifest: [UInt8],
        into resource: Resource,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> Replica {
        let number = await begin(resource)
        defer { world.monitor.end(number) }
        return try await driver.replicate(captures, manifest: manifest, into: resource, progress: progress)
    }

    func convert(
        _ capture: Capture,
        into resource: Resource,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> Capture {
        let number = await begin(resource)
        defer { world.monitor.end(number) }
        return try await driver.convert(capture, into: resource, progress: progress)
    }

    func launch(
        _ launch: Launch,
        from replica: Replica,
        into resource: Resource,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) {
        let number = await begin(resource, subject: launch.instanceID.text)
        defer { world.monitor.end(number) }
        try await driver.launch(launch, from: replica, into: resource, progress: progress)
    }

    private func begin(_ resource: Resource, subject: String = "") async -> Int {
        let image = try? await world.store.image(resource.imageID)
        // Struck from the ledger already: whoever begins so late is found out by its fence.
        let isKnown =
            image?.ledger.contains { $0.resource.id == resource.id } == true
            || image?.cleaned.contains(resource.id) == true
            || process.troubles > 0
        if !isKnown { world.violate(.ledgerFirst, "\(process.name) makes \(resource.id)") }
        let (number, rival) = world.monitor.begin(resource, subject, by: process)
        if let rival, !world.isClockUnsettled {
            world.violate(
                .oneWorker,
                "\(process.name) makes \(resource.id) while \(rival.process.name) makes \(rival.resource.id)"
            )
        }
        return number
    }
}
