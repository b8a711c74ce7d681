public import ImageCore
public import LibvirtClient
public import Logging

/// Instances are the domains of one host's libvirt; images, snapshots and locations are folders, as the local driver has
/// them.
public struct LibvirtDriver: ImageDriver {
    /// Keeps what is captured and replicated.
    let local: LocalDriver
    let host: LibvirtHost
    /// Whether the host's disks are files of this machine. Those of another are described only, by what libvirt says.
    let readsDisks: Bool
    let defaultOwner: Owner
    let launches: LaunchFolders
    let logger: Logger

    /// - Parameters:
    ///   - local: its root holds images and snapshots; it has no instances.
    ///   - defaultOwner: the owner of domains that name none.
    ///   - disks: the folder for the disks of launched domains, in which the host's virtual machines may read.
    public init(local: LocalDriver, host: LibvirtHost, defaultOwner: Owner, disks: String, logger: Logger) {
        self.init(local, host, readsDisks: true, defaultOwner, LaunchFolders(disks: disks), logger)
    }

    init(
        _ local: LocalDriver,
        _ host: LibvirtHost,
        readsDisks: Bool,
        _ defaultOwner: Owner,
        _ launches: LaunchFolders,
        _ logger: Logger
    ) {
        self.local = local
        self.host = host
        self.readsDisks = readsDisks
        self.defaultOwner = defaultOwner
        self.launches = launches
        self.logger = logger
    }

    public func makeFolders() throws(StepFailure) {
        try local.makeFolders()
        try launches.make()
    }

    // MARK: Instances

    public func describe(_ instance: InstanceID, for owner: Owner?) async throws(StepFailure) -> Instance {
        try await described(try await find(instance, for: owner))
    }

    public func instances() async throws(StepFailure) -> [Instance] {
        let records = try await ask("list its domains") { host throws(LibvirtError) in try host.domains() }
        var found: [Instance] = []
        for record in records {
            do throws(StepFailure) {
                found.append(try await described(try DomainInstance(record, defaultOwner: defaultOwner)))
            } catch  where error.code == .cancelled || error.disposition == .transient {
                throw error
            } catch {
                // One broken description must not hide all the others.
                logger.warning(
                    "a domain is left out of the list",
                    metadata: ["domain": "\(PlainText.sentence(record.name))", "reason": "\(error.message)"]
                )
            }
        }
        return found.sorted { $0.id < $1.id }
    }

    /// - Parameter owner: `nil` for operators, who see every instance.
    func find(_ id: InstanceID, for owner: Owner? = nil) async throws(StepFailure) -> DomainInstance {
        let record = try await lookUp(id)
        let domain: DomainInstance
        do throws(StepFailure) {
            domain = try DomainInstance(record, defaultOwner: defaultOwner)
        } catch {
            // Only the owner may learn what is wrong with an instance, and here the owner is unknown.
            throw owner == nil ? error : .noInstance(id)
        }
        guard owner == nil || owner == domain.owner else { throw .noInstance(id) }
        return domain
    }

    func lookUp(_ id: InstanceID) async throws(StepFailure) -> DomainRecord {
        let record = try await ask("look up a domain") { host throws(LibvirtError) -> DomainRecord? in
            if let named = try host.domain(named: id.text) { return named }
            return Self.isUUID(id.text) ? try host.domain(uuid: id.text) : nil
        }
        // A domain has one id: one with a proper name is not found by its UUID.
        guard let record, DomainInstance.id(of: record) == id else { throw .noInstance(id) }
        return record
    }

    private static func isUUID(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false).map(\.utf8.count)
        return parts == [8, 4, 4, 4, 12]
    }

    private func described(_ domain: DomainInstance) async throws(StepFailure) -> Instance {
        var disks: [Disk] = []
        for attached in domain.disks {
            disks.append(
                Disk(
                    device: attached.device,
                    kind: attached.kind,
                    sizeBytes: try await size(of: attached, in: domain),
                    autoDelete: attached.autoDelete
                )
            )
        }
        return Instance(id: domain.id, owner: domain.owner, status: domain.status, disks: disks)
    }

    /// - Returns: 0 for a disk whose size cannot be found out, such as one that is missing: it is not captured either.
    private func size(of attached: DomainInstance.AttachedDisk, in domain: DomainInstance) async throws(StepFailure)
        -> Int64
    {
        switch attached.disk.source {
        case .network, .other, .nothing: return 0
        case .volume(let pool, let volume) where !readsDisks:
            return try await bytes(attached, in: domain) { host throws(LibvirtError) in
                try host.bytes(ofVolume: volume, inPool: pool)
            }
        case .volume:
            // Of a stopped domain's volume, libvirt knows only how large it was when it last looked through the pool.
            do throws(StepFailure) {
                let reader = try await reader(for: attached, of: domain)
                return try await reader.reader.virtualSize(reader.file)
            } catch {
                guard error.disposition == .permanent else { throw error }
                return 0
            }
        case .file, .block:
            let (target, uuid) = (attached.disk.target, domain.record.uuid)
            return try await bytes(attached, in: domain) { host throws(LibvirtError) in
                try host.diskBytes(target, ofDomain: uuid)
            }
        }
    }

    private func bytes(
        _ attached: DomainInstance.AttachedDisk,
        in domain: DomainInstance,
        _ look: @escaping @Sendable (LibvirtConnection) throws(LibvirtError) -> Int64
    ) async throws(StepFailure) -> Int64 {
        do throws(LibvirtError) {
            return try await host.run(look)
        } catch {
            guard error.kind != .unreachable, error.kind != .cancelled else {
                throw .libvirt(error, "look at the disks of \(domain.id)")
            }
            logger.debug(
                "a disk's size is not known",
                metadata: [
                    "disk": "\(attached.device) of \(domain.id)", "said": "\(PlainText.sentence(error.message))",
                ]
            )
            return 0
        }
    }

    // MARK: Storage

    public func locations() async throws(StepFailure) -> [Location] { try await local.locations() }

    public func replicate(_ call: ReplicateCall) async throws(StepFailure) -> Replica {
        try await local.replicate(call)
    }

    public func proveBoot(of replica: Replica) async throws(StepFailure) -> BootObservation {
        try await local.proveBoot(of: replica)
    }

    public func convert(_ call: ConvertCall) async throws(StepFailure) -> Capture {
        try await local.convert(call)
    }

    public func delete(_ resource: Resource) async throws(StepFailure) {
        guard resource.kind == .instance else { return try await local.delete(resource) }
        try await launches.delete(resource.id)
    }

    public func inventory() async throws(StepFailure) -> [Resource] {
        try await local.inventory() + launches.list()
    }
}

extension LibvirtDriver: ToolTrial {
    public func tryTools() async -> [ToolFault]? { await local.tryTools() }

    public func tryGuestLook(thoroughly: Bool) async -> ToolFault? { await local.tryGuestLook(thoroughly: thoroughly) }

    public func tryBoot() async -> String? { await local.tryBoot() }
}
