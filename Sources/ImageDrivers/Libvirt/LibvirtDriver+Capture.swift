public import ImageCore
import LibvirtClient

extension LibvirtDriver {
    public func checkDisk(_ device: DeviceName, of instance: InstanceID) async throws(StepFailure) {
        let domain = try await find(instance)
        try requireCapturable(domain)
        let (reader, file) = try await reader(for: try domain.disk(device), of: domain)
        if try domain.disk(device).disk.isBlockDevice {
            try await requireStartHook()
            _ = try DeviceDisk(file.file, .disk(device, instance))
        } else {
            _ = try await reader.openHeld(file)
        }
    }

    public func copyBytes(of device: DeviceName, of instance: InstanceID) async throws(StepFailure) -> Int64 {
        let domain = try await find(instance)
        let (reader, file) = try await reader(for: try domain.disk(device), of: domain)
        let subject = FailureSubject.disk(device, instance)
        let isDevice = try domain.disk(device).disk.isBlockDevice
        let source: SourceDisk
        if isDevice { source = try DeviceDisk(file.file, subject).source } else { source = try await reader.open(file) }
        return try await running(on: .disk(device, instance)) { () async throws(ChildFailure) in
            try await local.qemuImg.requiredBytes(source.node)
        }
    }

    public func inspectGuest(of instance: InstanceID) async throws(StepFailure) -> GuestInspection {
        guard let inspector = local.inspector else { return .switchedOff }
        let domain = try await find(instance)
        try requireStopped(domain)
        let disk = try domain.disk(.system).disk
        let (reader, file) = try await reader(for: try domain.disk(.system), of: domain)
        guard !disk.isBlockDevice else {
            // What it sees decides about nothing that is captured: the capture looks again, with the start refused.
            let device = try DeviceDisk(file.file, .disk(.system, instance))
            defer { device.letGo() }
            return try await inspector.look(at: device.source.node, local.qemuImg, .disk(.system, instance))
        }
        let (source, hold) = try await reader.openHeld(file)
        defer { hold.letGo() }
        return try await inspector.look(at: source.node, local.qemuImg, .disk(.system, instance))
    }

    public func capture(_ call: CaptureCall) async throws(StepFailure) -> Capture {
        try local.requireInspector(for: call.guestWork)
        let (device, instance, resource) = (call.device, call.instance, call.resource)
        let subject = FailureSubject.disk(device, instance)
        let domain = try await find(instance)
        try requireStopped(domain)
        let attached = try domain.disk(device)
        try DiskRules.requireFit(attached.kind, device, resource.kind, subject)
        let (reader, file) = try await reader(for: attached, of: domain)
        if attached.disk.isBlockDevice { return try await capture(attached, of: domain, at: file.file, for: call) }
        let (source, hold) = try await reader.openHeld(file) {
            call.progress(CopyProgress(doneBytes: 0, totalBytes: 0))
        }
        // Until the last look: QEMU refuses to start the domain meanwhile.
        defer { hold.letGo() }
        return try await local.capture(source, for: call) { () async throws(StepFailure) in
            // Where the lock is not heeded (an older QEMU, a file system without locks), this finds it out.
            let now = try await requireSame(domain, attached)
            try reader.requireUnchanged(source, subject)
            if device.isSystem { try local.keepMachine(of: now, beside: resource) }
        }
    }

    /// A block device has no locks that QEMU heeds, and no time of its last change: its domain is kept from being started,
    /// from before the first look until after the last.
    private func capture(
        _ attached: DomainInstance.AttachedDisk,
        of domain: DomainInstance,
        at path: String,
        for call: CaptureCall
    ) async throws(StepFailure) -> Capture {
        let subject = FailureSubject.disk(attached.device, domain.id)
        return try await keepingFromStart(domain, attached.disk, for: call.resource) {
            (mark: StartMark) async throws(StepFailure) -> Capture in
            // A start that came before the mark is seen now.
            _ = try await requireSame(domain, attached)
            let device = try DeviceDisk(path, subject)
            defer { device.letGo() }
            return try await local.capture(device.source, for: call) { () async throws(StepFailure) in
                let now = try await requireSame(domain, attached)
                try await mark.requireUnbroken()
                try await requireStartHook()
                if attached.device.isSystem { try local.keepMachine(of: now, beside: call.resource) }
            }
        }
    }

    /// - Returns: the domain as it is now: stopped, and with the same disk.
    private func requireSame(
        _ domain: DomainInstance,
        _ attached: DomainInstance.AttachedDisk
    ) async throws(StepFailure) -> DomainInstance {
        let now = try await find(domain.id)
        try requireStopped(now)
        guard now.record.uuid == domain.record.uuid, try now.disk(attached.device).disk == attached.disk else {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "\(FailureSubject.disk(attached.device, domain.id)) was changed for another disk while it was captured.",
                advice: "Leave the instance's disks alone until they are captured, then retry the image."
            )
        }
        return now
    }

    func requireStopped(_ domain: DomainInstance) throws(StepFailure) {
        try requireCapturable(domain)
        // QEMU refuses the start where a capture holds the disks' locks. Then the domain is as stopped as before.
        guard !domain.record.isStarting else {
            throw StepFailure(
                .transient,
                .failedPrecondition,
                "Instance \(domain.id) is just being started.",
                advice: "Leave it stopped until its disks are captured."
            )
        }
        guard domain.status == .stopped else { throw .notStopped(domain.id, domain.status) }
    }

    /// What can be said whether it runs or not.
    private func requireCapturable(_ domain: DomainInstance) throws(StepFailure) {
        guard domain.record.isPersistent else {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "Instance \(domain.id) is a transient domain: it is gone when it stops, so it can never be captured stopped.",
                advice: "Make it persistent with `virsh define`."
            )
        }
        if domain.record.state == .shutOff, domain.record.hasSavedMemory { throw .savedMemory(domain.id) }
    }
}
