import ImageCore
import OpenStackClient

/// Cinder's quotas, looked at before anything is made. Another request may take the room meanwhile: then Cinder says
/// so.
extension OpenStackDriver {
    func requireRoom(snapshotsOf volumes: [CloudVolume], _ subject: String) async throws(StepFailure) {
        try await requireRoom(snapshots: volumes.map { ($0.size, $0.type) }, subject)
    }

    typealias Room = (gigabytes: Int, type: String?)

    /// For all of them together.
    func requireRoom(
        volumes: [Room] = [],
        snapshots: [Room] = [],
        _ subject: String
    ) async throws(StepFailure) {
        guard !(volumes.isEmpty && snapshots.isEmpty) else { return }
        var needed: [String: Int] = [:]
        for (kind, wanted) in [("volumes", volumes), ("snapshots", snapshots)] {
            for (gigabytes, type) in wanted {
                for suffix in ["", type.map { "_\($0)" }].compactMap({ $0 }) {
                    needed[kind + suffix, default: 0] += 1
                    needed["gigabytes" + suffix, default: 0] += gigabytes
                }
            }
        }
        let quotas = try await asking(subject) { () async throws(OpenStackError) in try await cloud.volumeQuotas() }
        for (name, count) in needed.sorted(by: { $0.key < $1.key }) {
            guard let quota = quotas[name], let room = quota.room, room < count else { continue }
            throw StepFailure(
                .permanent,
                .quotaExceeded,
                "\(subject): the project's quota \(name) has room for \(room) of \(count) "
                    + "(limit \(quota.limit), in use \(quota.inUse), reserved \(quota.reserved)).",
                advice: "Delete what is not needed in the project, or have its quota raised.",
                isFixedByAdvice: true,
                madeNothing: true
            )
        }
    }

    /// Cinder's refusal does not always name the quota: which it was is looked up.
    /// - Returns: the failure to report instead.
    func named(
        _ refusal: StepFailure,
        volumes: [Room] = [],
        snapshots: [Room] = [],
        _ subject: String
    ) async -> StepFailure {
        guard refusal.code == .quotaExceeded else { return refusal }
        do throws(StepFailure) {
            try await requireRoom(volumes: volumes, snapshots: snapshots, subject)
            return refusal
        } catch {
            guard error.code == .quotaExceeded else { return refusal }
            var failure = error
            failure.madeNothing = nil
            return failure
        }
    }
}
