public import ImageCore

extension LocalDriver {
    public func launch(_ call: LaunchCall) async throws(StepFailure) {
        let (launch, resource) = (call.launch, call.resource)
        let folder = try await putDisks(for: call) { () async throws(StepFailure) in
            try await emptyFolder(for: resource)
        }
        let description = try InstanceFile.bytes(of: launch, resource: resource)
        try filing(at: .storage) { () throws(FileFailure) in
            try FileCalls.writeAtomically(description, to: folder + "/instance.json")
            try FileCalls.sync(folder)
        }
    }

    /// Copies a launch's disks into a folder, and makes the empty ones.
    /// - Parameter makeFolder: makes it, once it is known that there is something to copy.
    func putDisks(
        for call: LaunchCall,
        makeFolder: () async throws(StepFailure) -> String
    ) async throws(StepFailure) -> String {
        let (launch, replica) = (call.launch, call.replica)
        guard replica.location == launch.location, call.resource.kind == .instance else {
            throw StepFailure(
                .permanent,
                .invalidArgument,
                "\(replica.resource.id) is no replica at \(launch.location)."
            )
        }
        let subject = FailureSubject.location(launch.location)
        let directory = try folders.folder(of: replica.resource)
        guard try filing(at: subject, { () throws(FileFailure) in try FileCalls.status(directory) })?.kind == .folder
        else {
            throw .notThere(subject)
        }
        let parts = try launch.disks.map { disk throws(StepFailure) in
            (disk, try disk.from.map { device throws(StepFailure) in try replica.file(device) })
        }
        let bytes = parts.reduce(0) { $0 + ($1.1?.sizeBytes ?? 0) }
        let folder = try await makeFolder()
        try Self.requireSpace(bytes, in: folder, .storage)
        let gauge = ProgressGauge(totalBytes: bytes, call.progress)
        for (disk, file) in parts {
            let target = folder + "/" + LocalFolders.fileName(disk.device)
            if let file {
                let sum = try await copy(directory + "/" + file.name, to: target, subject, gauge) { $0 == file.sha256 }
                guard sum == file.sha256 else { throw .damaged(file, at: launch.location, sha256: sum) }
            }
            try await fit(disk, target, isNew: file == nil)
        }
        try filing(at: .storage) { () throws(FileFailure) in try FileCalls.sync(folder) }
        gauge.finish()
        return folder
    }

    public func publishInstance(_ launch: Launch, from resource: Resource) async throws(StepFailure) {
        let instance = launch.instanceID
        if let maker = try maker(of: instance) {
            guard maker == resource.id else { throw .exists(instance) }
            return
        }
        let built = [try folders.folder(of: resource), folders.earlierFolder(of: resource)].compactMap { $0 }
        try filing(at: .storage) { () throws(FileFailure) in
            var found: String?
            for folder in built.reversed() where try FileCalls.status(folder) != nil { found = folder }
            guard let folder = found else { return }
            try FileCalls.rename(folder, to: folders.instance(instance))
            try FileCalls.sync(folders.instances)
            try FileCalls.sync(FileCalls.folder(of: folder))
        }
        guard try maker(of: instance) == resource.id else { throw .notBuilt(instance) }
    }

    /// The resource that an instance was launched from; `nil` without such an instance.
    private func maker(of id: InstanceID) throws(StepFailure) -> ResourceID? {
        let path = folders.instanceFile(id)
        let bytes: [UInt8]? = try filing(at: .storage) { () throws(FileFailure) in
            guard try FileCalls.status(path) != nil else { return nil }
            return try FileCalls.read(path, limit: InstanceFile.sizeLimit)
        }
        guard let bytes else { return nil }
        guard let maker = InstanceFile.maker(in: bytes) else { throw .exists(id) }
        return maker
    }

    public func rollBackLaunch(_ resource: Resource) async throws(StepFailure) {
        // First what a late publishing would put in place: from here on it finds nothing to rename.
        try await delete(resource)
        try filing(at: .storage) { () throws(FileFailure) in
            for id in try FileCalls.names(in: folders.instances).compactMap({ InstanceID($0) }) {
                // One that cannot be read is another owner's, or being deleted.
                let bytes = try? FileCalls.read(folders.instanceFile(id), limit: InstanceFile.sizeLimit)
                guard let bytes, InstanceFile.maker(in: bytes) == resource.id else { continue }
                try FileCalls.deleteTree(folders.instance(id))
                try FileCalls.sync(folders.instances)
            }
        }
    }

    /// Gives a disk its size: makes an empty one, or grows what was copied. Never shrinks.
    private func fit(_ disk: LaunchDisk, _ path: String, isNew: Bool) async throws(StepFailure) {
        let size = disk.sizeBytes
        try await running(on: .storage) { () async throws(ChildFailure) in
            if isNew { return try await qemuImg.create(path, sizeBytes: size) }
            let node = BlockNode.qcow2(path: path, dataFile: nil, backing: nil)
            guard try await qemuImg.info(node).virtualSize < size else { return }
            try await qemuImg.grow(path, toBytes: size)
        }
        try filing(at: .storage) { () throws(FileFailure) in try FileCalls.sync(path) }
    }
}

extension Replica {
    fileprivate func file(_ device: DeviceName) throws(StepFailure) -> File {
        guard let file = files.first(where: { $0.device == device }) else {
            throw StepFailure(.permanent, .notFound, "The replica at \(location) has no disk \(device).")
        }
        return file
    }
}

extension StepFailure {
    fileprivate static func damaged(_ file: Replica.File, at location: LocationName, sha256: String) -> StepFailure {
        StepFailure(
            .permanent,
            .failedPrecondition,
            "\(file.name) of the image at location \(location) is damaged: its SHA-256 is \(sha256), it was \(file.sha256).",
            advice: "Launch from another location, and make the image anew."
        )
    }
}
