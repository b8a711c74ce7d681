public import ImageCore
public import Logging

/// The embedded driver: instances, images, snapshots and locations are folders, disks are real qcow2 and raw files.
public struct LocalDriver: ImageDriver {
    let folders: LocalFolders
    let qemuImg: QemuImg
    let copyRate: Int64?
    let inspector: GuestInspector?
    let prover: BootProver?
    let logger: Logger

    /// - Parameters:
    ///   - root: a path; `instances`, `images` and `snapshots` are folders in it.
    ///   - locations: for each location the path of its folder, which must exist when it is replicated to: a
    ///     location that is not mounted must not become a folder on the system disk.
    ///   - qemuImg: the absolute path of `qemu-img`.
    ///   - copyRate: bytes per second that one capture or replication may copy; `nil` for no limit.
    ///   - inspector: looks into guests; `nil` leaves them unchecked, which their images then say.
    ///   - prover: starts replicas; `nil` starts none.
    public init(
        root: String,
        locations: [LocationName: String],
        qemuImg: String = "/usr/bin/qemu-img",
        copyRate: Int64? = nil,
        inspector: GuestInspector? = nil,
        prover: BootProver? = nil,
        logger: Logger
    ) {
        folders = LocalFolders(
            root: Self.plain(root),
            locations: locations.mapValues(Self.plain)
        )
        self.qemuImg = QemuImg(program: qemuImg, logger: logger)
        self.copyRate = copyRate
        self.inspector = inspector
        self.prover = prover
        self.logger = logger
    }

    private static func plain(_ path: String) -> String {
        guard path.hasPrefix("/") else { return plain(FileCalls.workingFolder + "/" + path) }
        return path.count > 1 && path.hasSuffix("/") ? plain(String(path.dropLast())) : path
    }

    /// Makes the root's folders, for a first start, and the locations' below it. A location elsewhere is a mount:
    /// while it is not mounted it must not become a folder that fills the system's disk.
    public func makeFolders() throws(StepFailure) {
        let below = folders.locations.filter { $0.value.hasPrefix(folders.root + "/") }
        let wanted =
            [
                (folders.instances, FailureSubject.storage), (folders.images, .storage), (folders.snapshots, .storage),
            ] + below.map { ($0.value, .location($0.key)) }
        for (folder, subject) in wanted {
            try filing(at: subject) { () throws(FileFailure) in try FileCalls.makeFolder(folder) }
        }
    }

    public func describe(_ instance: InstanceID, for owner: Owner?) async throws(StepFailure) -> Instance {
        let file = try readInstance(instance, for: owner)
        let reader = reader(for: instance)
        var disks: [Disk] = []
        for disk in file.disks {
            let size = try await reader.virtualSize(disk)
            disks.append(Disk(device: disk.device, kind: disk.kind, sizeBytes: size, autoDelete: disk.autoDelete))
        }
        return Instance(id: file.id, owner: file.owner, status: file.status, disks: disks)
    }

    public func instances() async throws(StepFailure) -> [Instance] {
        let names = try filing(at: .storage) { () throws(FileFailure) in try FileCalls.names(in: folders.instances) }
        var found: [Instance] = []
        for id in names.compactMap({ InstanceID($0) }).sorted() {
            do throws(StepFailure) {
                found.append(try await describe(id))
            } catch  where error.code == .cancelled {
                throw error
            } catch {
                // One broken description must not hide all the others.
                logger.warning(
                    "instance left out of the list",
                    metadata: ["instance.id": "\(id)", "reason": "\(error.message)"]
                )
            }
        }
        return found
    }

    public func locations() async throws(StepFailure) -> [Location] {
        folders.locations.keys.sorted().map { Location($0) }
    }

    public func checkDisk(_ device: DeviceName, of instance: InstanceID) async throws(StepFailure) {
        _ = try await reader(for: instance).openHeld(try readInstance(instance).disk(device))
    }

    public func inspectGuest(of instance: InstanceID) async throws(StepFailure) -> GuestInspection {
        guard let inspector else { return .switchedOff }
        let disk = try requireStopped(instance).disk(.system)
        let (source, hold) = try await reader(for: instance).openHeld(disk)
        defer { hold.letGo() }
        return try await inspector.look(at: source.node, qemuImg, .disk(.system, instance))
    }

    public func delete(_ resource: Resource) async throws(StepFailure) {
        let folder = try folders.folder(of: resource)
        let directory = try folders.directory(of: resource)
        let earlier = folders.earlierFolder(of: resource)
        let subject = FailureSubject(resource)
        try await OwnThread.run { _ -> Result<Void, StepFailure> in
            do throws(FileFailure) {
                // Where a whole location is missing, "already gone" would be a guess.
                if case .location = subject, try FileCalls.status(directory) == nil {
                    return .failure(.notThere(subject))
                }
                // The manifest goes first: what is left of a copy must not look like a whole one.
                try FileCalls.deleteTree(folder + "/" + LocalFolders.manifestName)
                if try FileCalls.deleteTree(folder) { try FileCalls.sync(directory) }
                if let earlier { try FileCalls.deleteTree(earlier) }
                return .success(())
            } catch {
                // Whatever it is, it can change: a location that is read-only today is not forever, and what is left
                // there costs its owner a place in the quota.
                var failure = StepFailure.file(error, at: subject)
                failure.disposition = .transient
                return .failure(failure)
            }
        }
    }

    public func inventory() async throws(StepFailure) -> [Resource] {
        let folders = folders
        return try await OwnThread.run { _ in
            var found: [Resource] = []
            do throws(StepFailure) {
                found += try Self.list(folders.images, .imageFile, nil)
                found += try Self.list(folders.snapshots, .snapshot, nil)
                found += try Self.list(folders.launches, .instance, nil)
                found += try Self.list(folders.earlierLaunches, .instance, nil)
                for (name, folder) in folders.locations.sorted(by: { $0.key < $1.key }) {
                    found += try Self.list(folder, .replica, name)
                }
                return .success(found)
            } catch {
                return .failure(error)
            }
        }
    }

    /// Image, part and fencing number, as `ResourceID(image:part:fence:)` puts them together. An operator's folder such
    /// as `backup` at a location is not ours, and is never cleaned up.
    static func isOurs(_ name: String) -> Bool {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count >= 3 && Int64(parts[parts.count - 1]) != nil
    }

    /// Names that are no resource ids are foreign files.
    private static func list(
        _ folder: String,
        _ kind: Resource.Kind,
        _ location: LocationName?
    ) throws(StepFailure) -> [Resource] {
        let subject = location.map { FailureSubject.location($0) } ?? .storage
        let names = try filing(at: subject) { () throws(FileFailure) in try FileCalls.names(in: folder) }
        return names.compactMap { name in
            guard let id = ResourceID(name), let image = id.imageID, Self.isOurs(name) else { return nil }
            return Resource(id: id, kind: kind, imageID: image, location: location)
        }
    }

    /// - Parameter owner: `nil` for operators, who see every instance.
    func readInstance(_ id: InstanceID, for owner: Owner? = nil) throws(StepFailure) -> InstanceFile {
        let path = folders.instanceFile(id)
        let subject = FailureSubject.instance(id)
        guard let status = try filing(at: subject, { () throws(FileFailure) in try FileCalls.status(path) }) else {
            throw .noInstance(id)
        }
        guard status.kind == .regular, status.size <= Int64(InstanceFile.sizeLimit) else {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "The description of instance \(id) is not a regular file of a sane size."
            )
        }
        let bytes = try filing(at: subject) { () throws(FileFailure) in
            try FileCalls.read(path, limit: InstanceFile.sizeLimit)
        }
        // Before anything else: only its owner may learn what is wrong with an instance.
        guard owner == nil || owner == InstanceFile.owner(in: bytes) else { throw .noInstance(id) }
        return try InstanceFile(bytes, folder: id)
    }

    func reader(for instance: InstanceID) -> SourceDiskReader {
        SourceDiskReader(qemuImg: qemuImg, folder: folders.instance(instance), instance: instance)
    }
}

extension GuestInspection {
    static let switchedOff = GuestInspection.notChecked(
        reason: "this worker does not look into guests (setting guestInspection)",
        advice: "look at its /etc/fstab yourself, or switch the setting on",
        mayPass: false
    )
}

extension StepFailure {
    static func notThere(_ subject: FailureSubject) -> StepFailure {
        StepFailure(
            .transient,
            .unavailable,
            "\(subject) is not there.",
            advice: "Mount or create its folder.",
            isFixedByAdvice: true
        )
    }
}
