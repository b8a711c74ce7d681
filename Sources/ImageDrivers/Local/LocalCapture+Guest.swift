import ImageCore

/// The guest of a system disk, while the disk is captured.
extension LocalDriver {
    /// Nothing is copied for an image that a worker without an inspector cannot make.
    func requireInspector(for work: GuestWork) throws(StepFailure) {
        guard inspector == nil, work.requiresLook else { return }
        throw .guest(GuestInspection.switchedOff.findings, mayPass: false)
    }

    /// Beside the copying, which reads the same source.
    func look(at source: BlockNode, _ subject: FailureSubject) async -> Result<GuestInspection?, StepFailure> {
        guard let inspector else { return .success(.switchedOff) }
        do throws(StepFailure) {
            return .success(try await inspector.look(at: source, qemuImg, subject))
        } catch {
            return .failure(error)
        }
    }

    func carryOut(
        _ work: GuestWork,
        on copy: BlockNode,
        _ subject: FailureSubject,
        _ gauge: ProgressGauge
    ) async throws(StepFailure) -> GuestResult {
        guard let inspector else {
            let reason = "this worker does not look into guests (setting guestInspection)"
            return GuestResult(
                inspection: work.looks ? .switchedOff : nil,
                secrets: [.secretsNotChecked("the disk", reason, advice: "switch the setting on")]
            )
        }
        let size = try await running(on: subject) { () async throws(ChildFailure) in
            try await qemuImg.info(copy).virtualSize
        }
        return try await inspector.carryOut(work, on: copy, sizeBytes: size, subject, logger) { gauge.add(0) }
    }
}
