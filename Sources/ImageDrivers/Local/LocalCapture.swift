import Glibc
public import ImageCore

extension LocalDriver {
    public func capture(_ call: CaptureCall) async throws(StepFailure) -> Capture {
        try requireInspector(for: call.guestWork)
        let instance = call.instance
        let subject = FailureSubject.disk(call.device, instance)
        let disk = try requireStopped(instance).disk(call.device)
        try DiskRules.requireFit(disk.kind, call.device, call.resource.kind, subject)
        let reader = reader(for: instance)
        let (source, hold) = try await reader.openHeld(disk) {
            call.progress(CopyProgress(doneBytes: 0, totalBytes: 0))
        }
        // Until the last look: QEMU refuses to start a machine on it meanwhile.
        defer { hold.letGo() }
        return try await capture(source, for: call) { () throws(StepFailure) in
            // Where the lock is not heeded (another program than QEMU, a file system without locks), this finds it out.
            _ = try requireStopped(instance)
            try reader.requireUnchanged(source, subject)
        }
    }

    /// Captures a disk that has been opened.
    /// - Parameter recheck: looks, after the copy, whether the disk was left alone all the time.
    func capture(
        _ source: SourceDisk,
        for call: CaptureCall,
        recheck: () async throws(StepFailure) -> Void
    ) async throws(StepFailure) -> Capture {
        let (device, resource) = (call.device, call.resource)
        let subject = FailureSubject.disk(device, call.instance)
        let folder = try await emptyFolder(for: resource)
        let work = call.guestWork
        let isSealed = !work.seal.isEmpty
        try await requireSpace(for: source, copies: isSealed ? 2 : 1, in: folder, subject)

        let target = folder + "/" + LocalFolders.fileName(device)
        let partial = target + LocalFolders.partialSuffix
        // What is sealed is copied once more. Until then it is raw: freed of all that is free, to the last block.
        let copy = isSealed ? target + LocalFolders.unsealedSuffix : partial
        let held = source.files.values.reduce(0) { $0 + min($1.allocatedBytes, $1.size) }
        let gauge = ProgressGauge(totalBytes: held, call.progress)
        async let look = work.looks && !work.needsCopy ? self.look(at: source.node, subject) : .success(nil)
        try await running(on: subject) { () async throws(ChildFailure) in
            try await qemuImg.convert(source.node, to: copy, isRaw: isSealed, bytesPerSecond: copyRate) { basisPoints in
                gauge.reach(Self.share(of: held, basisPoints * Self.copyShare / 100))
            }
        }
        let inspection = try await look.get()

        try await recheck()
        var guest = GuestResult(inspection: inspection)
        if work.needsCopy {
            // Before its checksum is taken: the source stays as it is.
            let node = isSealed ? BlockNode.raw(path: copy) : .qcow2(path: copy, dataFile: nil, backing: nil)
            guest = try await carryOut(work, on: node, subject, gauge)
        }
        if isSealed { try await rewrite(copy, to: partial, subject, gauge) }
        // The disk writes while the file is checked and hashed; what is left to wait for is little.
        try await beginWriteOut(partial)
        let size = try await checkResult(partial, subject, gauge)
        let sum = try await hash(partial, subject, gauge, held: held)
        try filing(at: .storage) { () throws(FileFailure) in
            try FileCalls.rename(partial, to: target)
            try FileCalls.sync(folder)
        }
        gauge.finish()
        return Capture(
            resource: resource,
            device: device,
            virtualSizeBytes: size,
            fileSizeBytes: sum.sizeBytes,
            sha256: sum.sha256,
            guest: guest
        )
    }

    public func copyBytes(of device: DeviceName, of instance: InstanceID) async throws(StepFailure) -> Int64 {
        let source = try await reader(for: instance).open(try readInstance(instance).disk(device))
        return try await running(on: .disk(device, instance)) { () async throws(ChildFailure) in
            try await qemuImg.requiredBytes(source.node)
        }
    }

    private func rewrite(
        _ sealed: String,
        to target: String,
        _ subject: FailureSubject,
        _ gauge: ProgressGauge
    ) async throws(StepFailure) {
        try await running(on: subject) { () async throws(ChildFailure) in
            try await qemuImg.convert(.raw(path: sealed), to: target, bytesPerSecond: copyRate) { _ in gauge.add(0) }
        }
        try filing(at: .storage) { () throws(FileFailure) in _ = try FileCalls.deleteTree(sealed) }
    }

    /// On a thread of its own: a disk whose queue is full makes even this wait.
    private func beginWriteOut(_ file: String) async throws(StepFailure) {
        try await OwnThread.run { _ in
            Result { () throws(StepFailure) in
                try filing(at: .storage) { () throws(FileFailure) in
                    try OpenFile(file, flags: O_RDONLY | O_NOFOLLOW).beginWriteOut()
                }
            }
        }
    }

    /// How much of a capture's progress is the copying, in percent. The rest is the hashing.
    private static let copyShare = 75

    private static func share(of total: Int64, _ basisPoints: Int) -> Int64 {
        Int64(Double(total) * Double(basisPoints) / 10_000)
    }

    func requireStopped(_ id: InstanceID) throws(StepFailure) -> InstanceFile {
        let file = try readInstance(id)
        guard file.status == .stopped else { throw .notStopped(id, file.status) }
        return file
    }

    /// Deletes what a dead worker left, and makes the resource's folder.
    func emptyFolder(for resource: Resource) async throws(StepFailure) -> String {
        try await delete(resource)
        let folder = try folders.folder(of: resource)
        let directory = try folders.directory(of: resource)
        try filing(at: FailureSubject(resource)) { () throws(FileFailure) in
            try FileCalls.makeFolder(folder)
            try FileCalls.sync(directory)
        }
        return folder
    }

    /// A full disk is said before hours of copying, not after. (It can still fill up meanwhile.)
    private func requireSpace(
        for source: SourceDisk,
        copies: Int64,
        in folder: String,
        _ subject: FailureSubject
    ) async throws(StepFailure) {
        let needed = try await running(on: subject) { () async throws(ChildFailure) in
            try await qemuImg.requiredBytes(source.node)
        }
        try Self.requireSpace(copies * needed, in: folder, .storage)
    }

    static func requireSpace(_ needed: Int64, in folder: String, _ subject: FailureSubject) throws(StepFailure) {
        let free = try filing(at: subject) { () throws(FileFailure) in try FileCalls.freeBytes(at: folder) }
        guard free >= needed else { throw .full(subject, freeBytes: free, neededBytes: needed) }
    }

    /// - Returns: the size the guest will see.
    private func checkResult(_ path: String, _ subject: FailureSubject, _ gauge: ProgressGauge)
        async throws(StepFailure) -> Int64
    {
        let node = BlockNode.qcow2(path: path, dataFile: nil, backing: nil)
        let soundness = try await running(on: subject) { () async throws(ChildFailure) in
            try await qemuImg.check(node, onActivity: { gauge.add(0) })
        }
        guard soundness != .corrupt else {
            throw StepFailure(.transient, .unavailable, "The copy of \(subject) is not sound.")
        }
        return try await running(on: subject) { () async throws(ChildFailure) in
            try await qemuImg.info(node).virtualSize
        }
    }

    /// Hashes the finished file while its pages are still in memory.
    ///
    /// It cannot be hashed *while* it is written: QEMU goes back to its header and tables until the very end, so what a
    /// reader sees early is not what the file will hold, and SHA-256 does not run backwards.
    private func hash(
        _ path: String,
        _ subject: FailureSubject,
        _ gauge: ProgressGauge,
        held: Int64
    ) async throws(StepFailure) -> FileSum {
        try await OwnThread.run { flag in
            do throws(CopyStop) {
                let size = (try? FileCalls.status(path))??.size ?? 1
                var hashed: Int64 = 0
                let copied = Self.share(of: held, Self.copyShare * 100)
                let pass = VerifiedCopy(flag: flag) { bytes in
                    hashed += bytes
                    gauge.reach(copied + Int64(Double(held - copied) * Double(hashed) / Double(max(1, size))))
                }
                let sum = try pass.sum(of: path)
                do throws(FileFailure) { try FileCalls.sync(path) } catch { throw CopyStop.file(error) }
                return .success(sum)
            } catch {
                return .failure(
                    error == .cancelled ? .interrupted("The capture of \(subject)") : .copy(error, at: .storage)
                )
            }
        }
    }
}
