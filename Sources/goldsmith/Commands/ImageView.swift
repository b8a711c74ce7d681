import ImageCore

/// An image as `--json` prints it. A contract with scripts: fields are only ever added.
struct ImageView: Encodable {
    struct Disk: Encodable {
        var device: DeviceName
        var kind: DiskKind
        var sizeBytes: Int64
        var autoDelete: Bool
        /// The snapshot or image file, once captured.
        var resource: ResourceID?
        var resourceKind: Resource.Kind?
        var fileSizeBytes: Int64?
        var sha256: String?
    }

    struct JobLine: Encodable {
        var job: Job
        var phase: JobState.Phase
        var attempt: Int
        var worker: WorkerID?
        var doneBytes: Int64?
        var totalBytes: Int64?
        var waitingFor: String?
        var lastFailure: StepFailure?
    }

    struct Failure: Encodable {
        var step: Step?
        var subject: String?
        var attempts: Int
        var code: ErrorCode
        var message: String
        var advice: String?
        var cleanUp: Image.CleanUp
        var cleaned: [ResourceID]
        var left: [ResourceID]
    }

    var id: ImageID
    var owner: Owner
    var name: String
    var description: String
    var status: ImageStatus
    var instanceId: InstanceID
    var requestId: RequestID
    var labels: [String: String]
    var createdAt: String
    var updatedAt: String
    var rootDeviceType: String
    var deviceMapping: [Disk]
    var replicas: [Replica]
    var jobs: [JobLine]
    var findings: [Finding]
    var failure: Failure?

    init(_ image: Image, leases: [Lease] = []) {
        id = image.id
        owner = image.owner
        name = image.name
        description = image.details
        status = image.status
        instanceId = image.plan.instanceID
        requestId = image.requestID
        labels = image.labels
        createdAt = image.createdAt.rfc3339
        updatedAt = image.updatedAt.rfc3339
        rootDeviceType = image.plan.systemDisk.kind == .local ? "localDisk" : "cloudDisk"
        let captures = image.status == .error ? [] : image.captures
        deviceMapping = image.plan.disks.map { disk in
            let capture = captures.first { $0.device == disk.device }
            return Disk(
                device: disk.device,
                kind: disk.kind,
                sizeBytes: disk.sizeBytes,
                autoDelete: disk.autoDelete,
                resource: capture?.resource.id,
                resourceKind: capture?.resource.kind,
                fileSizeBytes: capture?.fileSizeBytes,
                sha256: capture?.sha256
            )
        }
        replicas = image.status == .error ? [] : image.replicas
        jobs = image.jobs.sorted { $0.key < $1.key }.map { job, state in
            let lease = leases.first { $0.job == job }
            return JobLine(
                job: job,
                phase: state.phase,
                attempt: state.attempt,
                worker: lease?.worker,
                doneBytes: lease?.progress?.doneBytes,
                totalBytes: lease?.progress?.totalBytes,
                // While somebody works on it, what it waited for is history.
                waitingFor: lease == nil ? state.waiting?.reason : nil,
                lastFailure: state.lastFailure
            )
        }
        findings = image.findings
        failure = image.failure.map {
            Failure(
                step: $0.job?.step,
                subject: $0.job.flatMap { $0.subject.isEmpty ? nil : $0.subject },
                attempts: $0.attempts,
                code: $0.cause.code,
                message: $0.cause.message,
                advice: $0.cause.advice,
                cleanUp: image.cleanUp,
                cleaned: image.cleaned,
                left: image.ledger.map(\.resource.id)
            )
        }
    }
}

extension ImageStatus {
    var tone: Terminal.Tone {
        switch self {
        case .pending, .replicating: .busy
        case .available: .good
        case .error: .bad
        }
    }
}

/// An image for people.
extension ImageView {
    var text: String {
        var lines = [
            "\(Terminal.paint(id.text, .strong))  \(name)  \(Terminal.paint(status.rawValue, status.tone))",
            "  instance \(instanceId)   owner \(owner)   root device \(rootDeviceType)   created \(createdAt)",
        ]
        if !description.isEmpty { lines.append("  \(description)") }
        var disks = Table("DEVICE", "KIND", "SIZE", "AUTO-DELETE", "SNAPSHOT OR FILE", "BYTES", "SHA-256")
        for disk in deviceMapping {
            disks.add(
                disk.device.description,
                disk.kind.rawValue,
                Format.bytes(disk.sizeBytes),
                disk.autoDelete ? "yes" : "no",
                disk.resource?.text ?? "–",
                disk.fileSizeBytes.map(Format.bytes) ?? "–",
                disk.sha256.map(Format.checksum) ?? "–"
            )
        }
        lines += ["", "Device mapping", disks.text]
        if !replicas.isEmpty {
            var table = Table("LOCATION", "FILE", "BYTES", "SHA-256")
            for replica in replicas {
                for file in replica.files {
                    table.add(
                        replica.location.text,
                        file.name,
                        Format.bytes(file.sizeBytes),
                        Format.checksum(file.sha256)
                    )
                }
            }
            lines += ["", "Replicas", table.text]
        }
        let open = jobs.filter { $0.phase == .waiting }
        if !open.isEmpty {
            var table = Table("JOB", "ATTEMPT", "WORKER", "PROGRESS", "WAITS FOR")
            for line in open {
                let progress = line.doneBytes.map { "\(Format.bytes($0)) of \(Format.bytes(line.totalBytes ?? 0))" }
                table.add(
                    line.job.description,
                    String(line.attempt),
                    line.worker?.text ?? "–",
                    progress ?? "–",
                    line.waitingFor ?? line.lastFailure.map { "retry after: \($0.message)" } ?? ""
                )
            }
            lines += ["", "Open jobs", table.text]
        }
        for finding in findings { lines.append("note (\(finding.severity.rawValue)): \(finding.message)") }
        if let failure { lines += ["", failure.text] }
        return lines.joined(separator: "\n")
    }
}

extension ImageView.Failure {
    var text: String {
        let place = [step?.rawValue, subject].compactMap { $0 }.joined(separator: " ")
        var lines = [
            Terminal.paint("Error", .bad)
                + (place.isEmpty ? "" : " in \(place)")
                + (attempts > 0 ? " after \(attempts) attempt\(attempts == 1 ? "" : "s")" : ""),
            "  reason:   \(code.rawValue): \(message)",
        ]
        if let advice { lines.append("  advice:   \(advice)") }
        lines.append("  clean-up: \(cleanUp.rawValue)")
        if !cleaned.isEmpty { lines.append("  deleted:  \(cleaned.map(\.text).joined(separator: ", "))") }
        if !left.isEmpty { lines.append("  left:     \(left.map(\.text).joined(separator: ", "))") }
        return lines.joined(separator: "\n")
    }
}
