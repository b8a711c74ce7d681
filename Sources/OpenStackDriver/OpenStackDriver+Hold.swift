import ImageCore
import ImageDrivers
import Logging
import OpenStackClient

/// What is seen of a server and of its image's snapshots at one time.
struct CloudLook: Sendable {
    struct Subject: Hashable, Sendable {
        var server: String
        var image: ImageID
    }

    var snapshots: [CloudSnapshot]
    var server: CloudServer
}

/// A server that stays stopped while it is captured.
///
/// Nova's lock keeps its owner from starting it (administrators pass it). Since somebody may unlock it all the same,
/// what was done with the server in the meantime is read at the end: that decides whether a capture counts.
extension OpenStackDriver {
    struct Hold: Sendable {
        var instance: CloudInstance
        var resource: Resource
        /// The ids of what was done with the server before.
        fileprivate var actions: Set<String>

        fileprivate var subject: String { "Instance \(instance.id)" }
        /// What all captures of the image share.
        var shared: CloudLook.Subject { .init(server: instance.server.id, image: resource.imageID) }
    }

    /// Locks the server while `body` works.
    func holding<Value: Sendable>(
        _ instance: CloudInstance,
        for resource: Resource,
        _ body: (Hold) async throws(StepFailure) -> Value
    ) async throws(StepFailure) -> Value {
        // First what was done, then the state: an action between the two is found at the end.
        let hold = Hold(instance: instance, resource: resource, actions: try await foreignActions(of: instance))
        let locked = try await lock(hold)
        do throws(StepFailure) {
            try requireStopped(instance.id, locked)
            let value = try await body(hold)
            try await requireUntouched(hold)
            await unlock(hold)
            return value
        } catch {
            await unlock(hold)
            throw error
        }
    }

    /// Looks whether the server is still as it was, and locks it again when another capture of the image has just
    /// unlocked it.
    func keep(_ hold: Hold, _ server: CloudServer) async throws(StepFailure) {
        // Nova's own image of a local disk is a task of the server.
        guard server.status == "SHUTOFF" else { throw .notStopped(hold.instance.id, CloudInstance.status(of: server)) }
        if !server.isLocked { _ = try await lock(hold) }
    }

    /// - Returns: the server, locked for the image: for this resource, or for another that is captured beside it.
    private func lock(_ hold: Hold) async throws(StepFailure) -> CloudServer {
        let (id, reason) = (hold.instance.server.id, scope.lockReason(hold.resource))
        let server = try await asking(hold.subject) { () async throws(OpenStackError) in
            try await locks.answer(to: hold.shared) { () async throws(OpenStackError) in
                var doubt: OpenStackError?
                do throws(OpenStackError) {
                    try await cloud.act(on: id, ["lock": ["locked_reason": .text(reason)]])
                } catch {
                    guard error.leavesDoubt else { throw error }
                    doubt = error
                }
                // A second lock is accepted and changes nothing: whose it is, is only to be read.
                let server = try await cloud.server(id)
                if let doubt, !server.isLocked { throw doubt }
                return server
            }
        }
        guard server.isLocked, server.lockedReason != reason else { return server }
        // A capture of the same image has it: it protects this one too.
        if let other = scope.resource(lockedFor: server.lockedReason) {
            guard other.imageID != hold.resource.imageID else { return server }
            throw StepFailure(
                .transient,
                .unavailable,
                "\(hold.subject) is still locked for image \(other.imageID).",
                advice: "Its clean-up unlocks it.",
                isFixedByAdvice: true
            )
        }
        throw StepFailure(
            .permanent,
            .failedPrecondition,
            "\(hold.subject) is locked by someone else"
                + (server.lockedReason.map { " (\(PlainText.sentence($0)))" } ?? "") + ".",
            advice: "Unlock it with `openstack server unlock \(id)`, and retry the image.",
            isFixedByAdvice: true,
            madeNothing: true
        )
    }

    /// Also when the task was cancelled: a server must not stay locked. What fails here, clean-up does.
    private func unlock(_ hold: Hold) async {
        let (id, reason) = (hold.instance.server.id, scope.lockReason(hold.resource))
        let (cloud, logger) = (cloud, logger)
        await Task {
            do throws(OpenStackError) {
                try await Self.unlock(id, lockedFor: reason, cloud)
            } catch {
                logger.warning("a server stays locked", metadata: ["server": "\(id)", "reason": "\(error.message)"])
            }
        }
        .value
    }

    static func unlock(_ id: String, lockedFor reason: String, _ cloud: OpenStackCloud) async throws(OpenStackError) {
        var tries = 3
        while true {
            do throws(OpenStackError) {
                let server = try await cloud.server(id)
                guard server.isLocked, server.lockedReason == reason else { return }
                try await cloud.act(on: id, ["unlock": nil])
                return
            } catch {
                tries -= 1
                if error.kind == .notFound { return }
                // The next look shows what became of it.
                guard error.leavesDoubt, tries > 0 else { throw error }
            }
        }
    }

    private func requireUntouched(_ hold: Hold) async throws(StepFailure) {
        let now = try await unlessMissing(hold.subject) { () async throws(OpenStackError) in
            try await cloud.server(hold.instance.server.id)
        }
        if let now { try requireStopped(hold.instance.id, now) }
        guard now != nil, try await foreignActions(of: hold.instance).isSubset(of: hold.actions) else {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "Instance \(hold.instance.id) was started or changed while it was captured.",
                advice: "Leave it stopped until its disks are captured, then retry the image."
            )
        }
    }

    /// What locks, unlocks and makes images changes no disk.
    private func foreignActions(of instance: CloudInstance) async throws(StepFailure) -> Set<String> {
        let actions = try await asking("Instance \(instance.id)") { () async throws(OpenStackError) in
            try await cloud.actions(of: instance.server.id)
        }
        return Set(actions.filter { !["lock", "unlock", "createImage"].contains($0.action) }.map(\.requestID))
    }
}
