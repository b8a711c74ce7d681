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
    /// - Returns: the number to end it with, and other work on the same by an undisturbed worker.
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

/// Calls of a driver that are watched while they make something.
struct MonitoredCalls: DriverInterceptor {
    let process: SimulatedProcess
    let world: World

    func around<Value: Sendable>(
        _ call: DriverCall,
        _ body: () async throws(StepFailure) -> Value
    ) async throws(StepFailure) -> Value {
        if let resource = call.resource, let host = resource.host, host != process.host {
            world.violate(.ownHost, "\(process.name) on \(process.host?.text ?? "no host"): \(call)")
        }
        if !call.sources.isEmpty { await checkSources(of: call) }
        guard let resource = call.made else { return try await body() }
        // Several instances may be launched at once.
        let subject = call.operation == .launch ? call.instance?.text : nil
        let number = await begin(resource, subject: subject ?? "")
        defer { world.monitor.end(number) }
        return try await body()
    }

    /// An attempt that has been overtaken may still ask for what is gone by now.
    private func checkSources(of call: DriverCall) async {
        guard let resource = call.resource, let image = try? await world.store.image(resource.imageID),
            image.status == .replicating, let entry = image.ledger.first(where: { $0.resource == resource }),
            image.jobs[entry.job]?.fence == entry.fence
        else { return }
        for source in call.sources where !image.replicas.contains(source) {
            world.violate(.verifiedSource, "\(resource.id) is copied from \(source.resource.id)")
        }
    }

    private func begin(_ resource: Resource, subject: String) async -> Int {
        let image = try? await world.store.image(resource.imageID)
        // Struck from the ledger already: the fence catches a worker that begins so late.
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

extension DriverCall {
    /// What the call makes.
    fileprivate var made: Resource? {
        switch operation {
        case .capture, .replicate, .convert, .launch: resource
        case .describe, .instances, .locations, .checkDisk, .copyBytes, .inspectGuest, .proveBoot, .publishInstance,
            .rollBackLaunch, .delete, .inventory:
            nil
        }
    }
}
