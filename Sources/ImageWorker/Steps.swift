import ImageCore

/// What each job does. The only place that knows; the compiler names it when a step is added.
struct Steps {
    let driver: any ImageDriver

    func perform(
        _ jobLease: JobLease,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> JobOutput {
        let image = jobLease.image
        switch jobLease.job {
        case .stopCheck:
            return .checked(try await check(image.plan, for: image.owner, looks: image.plan.looksFirst))
        case .systemDisk:
            return .captured(try await capture(.system, jobLease, progress))
        case .dataDisk(let device):
            return .captured(try await capture(device, jobLease, progress))
        case .replicate(let location):
            let replica = try await driver.replicate(
                image.captures,
                from: image.sources(for: location),
                manifest: CanonicalJSON.bytes(Manifest(of: image)),
                into: try resource(of: jobLease),
                progress: progress
            )
            return .replicated(replica)
        case .bootProof(let location):
            guard let replica = image.replicas.first(where: { $0.location == location }) else {
                throw StepFailure(.permanent, .internal, "image \(image.id) has no replica at \(location)")
            }
            return .observed(try await driver.proveBoot(of: replica))
        case .convert:
            guard let conversion = image.plan.conversion else {
                throw StepFailure(.permanent, .internal, "the plan of image \(image.id) converts nothing")
            }
            return .captured(
                try await driver.convert(conversion.systemDisk, into: try resource(of: jobLease), progress: progress)
            )
        case .launch(let instance):
            return try await launch(instance, jobLease, progress)
        case .cleanUp(let id):
            // Already struck from the ledger means already gone.
            if let entry = image.ledger.first(where: { $0.resource.id == id }) {
                switch entry.resource.kind {
                case .instance: try await driver.rollBackLaunch(entry.resource)
                case .imageFile, .snapshot, .replica: try await driver.delete(entry.resource)
                }
            }
            return .cleaned
        }
    }

    private func launch(
        _ instance: InstanceID,
        _ jobLease: JobLease,
        _ progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> JobOutput {
        let image = jobLease.image
        guard let launch = image.references.launches.first(where: { $0.instanceID == instance }),
            let replica = image.replicas.first(where: { $0.location == launch.location })
        else {
            throw StepFailure(.permanent, .internal, "image \(image.id) knows nothing of the launch of \(instance)")
        }
        if let built = image.ledger.first(where: { $0.job == jobLease.job && $0.isAdopted }) {
            try await driver.publishInstance(launch, from: built.resource)
            return .launched(instance)
        }
        try await driver.launch(launch, from: replica, into: try resource(of: jobLease), progress: progress)
        return .built
    }

    private func capture(
        _ device: DeviceName,
        _ jobLease: JobLease,
        _ progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> Capture {
        try await driver.capture(
            device,
            of: jobLease.image.plan.instanceID,
            into: try resource(of: jobLease),
            guestWork: jobLease.image.plan.guestWork(on: device),
            progress: progress
        )
    }

    private func resource(of jobLease: JobLease) throws(StepFailure) -> Resource {
        guard let resource = jobLease.resource else {
            throw StepFailure(
                .permanent,
                .internal,
                "the plan of image \(jobLease.image.id) has no output for \(jobLease.job)"
            )
        }
        return resource
    }

    /// The instance may have changed since the request was accepted: everything the plan rests on is looked at again.
    /// - Parameters:
    ///   - looks: whether the guest is looked into.
    ///   - reachesDisks: whether this worker has the files. Without them only the host's worker can look into disks and
    ///     guest, when the image is made.
    func check(
        _ plan: Plan,
        for owner: Owner,
        looks: Bool,
        reachesDisks: Bool = true
    ) async throws(StepFailure) -> [Finding] {
        let instance = try await driver.describe(plan.instanceID, for: owner)
        guard instance.status == .stopped else {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "instance \(instance.id) is \(instance.status)",
                advice: "\(instance.status.wayToStopped), then ask for the image again"
            )
        }
        for planned in plan.disks {
            guard let disk = instance.disk(planned.device), disk.kind == planned.kind,
                disk.sizeBytes <= planned.sizeBytes
            else {
                throw StepFailure(
                    .permanent,
                    .failedPrecondition,
                    "\(planned.device) of instance \(instance.id) is not the disk it was when the request was accepted",
                    advice: "leave the instance's disks alone until its image is made"
                )
            }
        }
        if reachesDisks { try await driver.checkDisks(plan.disks.map(\.device), of: instance.id) }
        let guestChecks = plan.guestChecks
        guard reachesDisks else {
            let reason = "the disks are on host \(plan.host?.text ?? "none"), and another worker answered"
            let advice = "they are checked when the image is made"
            let inspection = GuestInspection.notChecked(reason: reason, advice: advice, mayPass: true)
            return try GuestChecks.warn.judge(guestChecks == .off ? nil : inspection, gap: gap(in: instance))
        }
        let inspection = looks ? try await driver.inspectGuest(of: instance.id) : nil
        return try guestChecks.judge(inspection, gap: gap(in: instance), requiresLook: plan.dependsOnGuest)
    }

    private func gap(in instance: Instance) -> Finding? {
        let names = instance.dataDisks.map(\.device)
        guard let last = names.last, last.position != names.count else { return nil }
        let list = names.map(\.description).joined(separator: ", ")
        return Finding(
            .warning,
            "the data disks' device names have a gap (\(list)); guests number disks without gaps",
            code: .deviceGap,
            advice: "attach the data disks under consecutive names, from /dev/vdb on"
        )
    }
}
