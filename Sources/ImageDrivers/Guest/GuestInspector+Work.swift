import ImageCore
import Logging

/// What a capture does in the guest, on the copy.
extension GuestInspector {
    /// Sealing writes zeros to all of a disk that is free, and reads it once more: at 20 MB/s on an emulated processor.
    private static let secondsPerGibibyte: Int64 = 60
    /// A sparse disk may be any size.
    private static let longestSeal: Int64 = 6 * 3_600

    /// The appliance is started only if there is something to write, or something to find out, and once for all of it.
    /// - Parameters:
    ///   - copy: a file of our own that stands alone.
    ///   - sizeBytes: what the guest sees of it.
    ///   - onActivity: called about twice a second while something is done.
    func carryOut(
        _ work: GuestWork,
        on copy: BlockNode,
        sizeBytes: Int64,
        _ subject: FailureSubject,
        _ logger: Logger,
        onActivity: @escaping @Sendable () -> Void
    ) async throws(StepFailure) -> GuestResult {
        if work.seal.isEmpty, let seen = try await read(copy, findsSecrets: work.findsSecrets, subject, logger),
            !work.fixes || seen.facts.edits.isEmpty
        {
            return Self.result(of: work, seen)
        }
        switch try await visit(copy, work, sizeBytes, subject, logger, onActivity) {
        case .seen(var seen):
            if work.findsSecrets, work.seal.isEmpty,
                let plain = try await read(copy, findsSecrets: true, subject, logger)
            {
                // It has been fixed, and can be read now: deleted blocks, too.
                seen.secrets = plain.secrets
            }
            return Self.result(of: work, seen)
        case .notChecked(let reason, let advice, let mayPass):
            let inspection = GuestInspection.notChecked(reason: reason, advice: advice, mayPass: mayPass)
            guard !work.requiresLook else { throw .guest(inspection.findings, mayPass: mayPass) }
            return GuestResult(
                inspection: work.looks ? inspection : nil,
                secrets: work.findsSecrets ? [.secretsNotChecked("the disk", reason, advice: advice)] : nil
            )
        }
    }

    private static func result(of work: GuestWork, _ seen: Seen) -> GuestResult {
        GuestResult(
            inspection: work.looks ? .seen(seen.facts) : nil,
            fix: work.fixes ? seen.facts.guestFix : nil,
            seal: work.seal.isEmpty ? nil : seen.seal,
            secrets: work.findsSecrets ? seen.secrets ?? [] : nil
        )
    }

    private func visit(
        _ copy: BlockNode,
        _ work: GuestWork,
        _ sizeBytes: Int64,
        _ subject: FailureSubject,
        _ logger: Logger,
        _ onActivity: @escaping @Sendable () -> Void
    ) async throws(StepFailure) -> Answer {
        let extra = work.seal.isEmpty ? 0 : min(Self.longestSeal, (sizeBytes >> 30 + 1) * Self.secondsPerGibibyte)
        let limit = timeLimit + .seconds(extra)
        var arguments = work.fixes ? ["--fix"] : []
        if !work.seal.isEmpty { arguments += ["--seal", work.seal.map(\.rawValue).joined(separator: ",")] }
        if work.findsSecrets { arguments.append("--secrets") }
        do throws(ChildFailure) {
            let scratch = try ScratchPlace(in: workplace)
            let socket = scratch.path + "/copy"
            let child = appliance(["--export", socket] + arguments, in: scratch.path, timeLimit: limit)
            let server = Self.writableServer(of: copy, socket: socket, timeLimit: limit)
            return try Self.answer(try await Self.run(child, beside: server, onActivity: onActivity))
        } catch {
            switch try Self.inspection(error, subject, logger) {
            case .seen(let facts): return .seen(Seen(facts: facts))
            case .notChecked(let reason, let advice, let mayPass):
                return .notChecked(reason: reason, advice: advice, mayPass: mayPass)
            }
        }
    }
}
