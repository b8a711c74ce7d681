public import ImageCore
import ImageDrivers
public import Logging
public import OpenStackClient

/// Instances are the servers of one project; image files, snapshots and replicas are Glance's images and Cinder's
/// snapshots in it, each with Goldsmith's marks.
public struct OpenStackDriver: ImageDriver {
    /// How launched servers are attached to networks.
    public enum Network: Equatable, Sendable {
        /// The project's only one, or none if it has none.
        case automatic
        case none
        /// One of Neutron's, by its UUID.
        case one(String)

        /// - Returns: `nil` unless the text is a UUID.
        public init?(uuid text: String) {
            guard CloudMark.isUUID(text) else { return nil }
            self = .one(text)
        }
    }

    let cloud: OpenStackCloud
    let scope: MarkScope
    let places: [LocationName: CloudPlace]
    let defaultOwner: Owner
    let network: Network
    let standardFlavor: String?
    let logger: Logger
    /// For how long a snapshot, a volume or an image may be awaited.
    let timeout: Duration
    /// Captures of one image do these together.
    let looks = SharedAnswers<CloudLook.Subject, CloudLook>()
    let locks = SharedAnswers<CloudLook.Subject, CloudServer>()

    /// - Parameters:
    ///   - scope: which installation this is, of those that share the project; letters, digits, `-` and `_`.
    ///   - locations: what each keeps.
    ///   - defaultOwner: the owner of servers that name none.
    ///   - flavor: the name of that of servers whose image was no server's; `nil`: they cannot be launched.
    public init(
        cloud: OpenStackCloud,
        scope: String,
        locations: [LocationName: CloudPlace],
        defaultOwner: Owner,
        network: Network = .automatic,
        flavor: String? = nil,
        timeout: Duration = .seconds(6 * 3600),
        logger: Logger
    ) {
        (self.cloud, self.scope, places) = (cloud, MarkScope(name: scope), locations)
        (self.defaultOwner, self.network, standardFlavor) = (defaultOwner, network, flavor)
        (self.timeout, self.logger) = (timeout, logger)
    }

    // MARK: Instances

    public func describe(_ instance: InstanceID, for owner: Owner?) async throws(StepFailure) -> Instance {
        try await find(instance, for: owner).instance
    }

    public func instances() async throws(StepFailure) -> [Instance] {
        let (servers, volumes) = try await asking("The list of servers") { () async throws(OpenStackError) in
            (try await cloud.servers(), try await cloud.volumes(with: [:]))
        }
        let known = Dictionary(volumes.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        var found: [Instance] = []
        for server in servers {
            do throws(StepFailure) {
                found.append(try await instance(server, known).instance)
            } catch  where error.code == .cancelled || error.disposition == .throttled {
                throw error
            } catch {
                // One that cannot be described must not hide all the others.
                logger.warning(
                    "a server is left out of the list",
                    metadata: ["server": "\(server.id)", "reason": "\(error.message)"]
                )
            }
        }
        return found.sorted { $0.id < $1.id }
    }

    /// - Parameters:
    ///   - owner: `nil` for operators, who see every instance.
    ///   - device: the only disk of interest: other volumes are not looked at. `nil`: all are.
    func find(
        _ id: InstanceID,
        for owner: Owner? = nil,
        only device: DeviceName? = nil
    ) async throws(StepFailure) -> CloudInstance {
        guard let server = try await server(of: id) else { throw .noInstance(id) }
        let found = try await instance(server, [:], only: device)
        guard owner == nil || owner == found.owner else { throw .noInstance(id) }
        return found
    }

    /// - Returns: `nil` when there is none.
    func server(of id: InstanceID) async throws(StepFailure) -> CloudServer? {
        let subject = "Instance \(id)"
        if CloudMark.isUUID(id.text),
            let server = try await unlessMissing(
                subject,
                { () async throws(OpenStackError) in
                    try await cloud.server(id.text)
                }
            ),
            CloudInstance.id(of: server) == id
        {
            return server
        }
        let tagged = try await asking(subject) { () async throws(OpenStackError) in
            try await cloud.servers([("tags", MarkScope.tag(of: id))])
        }
        let servers = tagged.filter { CloudInstance.id(of: $0) == id && $0.status != "DELETED" }
        guard servers.count < 2 else {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "Several servers say that they are instance \(id).",
                advice: "Remove \(CloudMark.instance) from the metadata of all but one."
            )
        }
        return servers.first
    }

    private func instance(
        _ server: CloudServer,
        _ known: [String: CloudVolume],
        only device: DeviceName? = nil
    ) async throws(StepFailure) -> CloudInstance {
        let subject = "Instance \(server.id)"
        let attachments = try await asking(subject) { () async throws(OpenStackError) in
            try await cloud.attachments(of: server.id)
        }
        let attached = try CloudInstance.attached(attachments, to: server).filter { device == nil || $0.0 == device }
        var volumes = known
        for (_, attachment) in attached where volumes[attachment.volumeID] == nil {
            volumes[attachment.volumeID] = try await asking(subject) { () async throws(OpenStackError) in
                try await cloud.volume(attachment.volumeID)
            }
        }
        return try CloudInstance(server, attached, volumes, defaultOwner: defaultOwner)
    }

    func requireStopped(_ instance: InstanceID, _ server: CloudServer) throws(StepFailure) {
        // Nova's own image of a local disk is a task of the server, and its volumes are captured beside it.
        if server.status == "SHUTOFF", server.taskState?.hasPrefix("image_") == true { return }
        let status = CloudInstance.status(of: server)
        guard status == .stopped else { throw .notStopped(instance, status) }
    }

    // MARK: Looks before a capture

    public func locations() async throws(StepFailure) -> [Location] { places.keys.sorted().map { Location($0) } }

    public func checkDisk(_ device: DeviceName, of instance: InstanceID) async throws(StepFailure) {
        try await checkDisks([device], of: instance)
    }

    /// The quota must do for all of them together.
    public func checkDisks(_ devices: [DeviceName], of instance: InstanceID) async throws(StepFailure) {
        let found = try await find(instance, only: devices.count == 1 ? devices[0] : nil)
        var volumes: [CloudVolume] = []
        for device in devices {
            let disk = try found.disk(device)
            try requireSound(disk, of: found)
            if let volume = disk.volume { volumes.append(volume) }
        }
        let which = devices.count == 1 ? "\(devices[0])" : "The \(devices.count) disks"
        try await requireRoom(snapshotsOf: volumes, "\(which) of instance \(instance)")
    }

    func requireSound(_ disk: CloudInstance.AttachedDisk, of instance: CloudInstance) throws(StepFailure) {
        let subject = "\(disk.device) of instance \(instance.id)"
        guard let volume = disk.volume else {
            guard disk.sizeBytes > 0 else {
                throw StepFailure(
                    .permanent,
                    .failedPrecondition,
                    "\(subject): the server's flavor gives its local disk no size.",
                    advice: "Use a flavor with a disk, or a server whose system disk is a volume."
                )
            }
            return
        }
        guard ["in-use", "available"].contains(volume.status) else {
            throw StepFailure(
                volume.status.hasPrefix("error") ? .permanent : .transient,
                .failedPrecondition,
                "\(subject): its volume is \(PlainText.word(volume.status)).",
                advice: "See `openstack volume show \(volume.id)`.",
                isFixedByAdvice: true
            )
        }
    }

    /// Of a volume nothing is copied.
    public func copyBytes(of device: DeviceName, of instance: InstanceID) async throws(StepFailure) -> Int64 {
        let disk = try await find(instance, only: device).disk(device)
        return disk.volume == nil ? disk.sizeBytes : 0
    }

    public func inspectGuest(of instance: InstanceID) async throws(StepFailure) -> GuestInspection {
        try requireStopped(instance, try await find(instance).server)
        return Self.outOfReach
    }

    static let outOfReach = GuestInspection.notChecked(
        reason: "the disks are in the cloud, out of reach of a look into their files",
        advice: "look at its /etc/fstab yourself",
        mayPass: false
    )

    // MARK: Boot proofs

    /// A replica is an image in the cloud, and Goldsmith has no machine there that it could start and watch.
    public func proveBoot(of replica: Replica) async throws(StepFailure) -> BootObservation {
        throw StepFailure(
            .permanent,
            .failedPrecondition,
            "Images in a cloud are not started.",
            advice: "Launch an instance of the image, and look at its console.",
            madeNothing: true
        )
    }
}

extension OpenStackDriver: ToolTrial {
    public func tryTools() async -> [ToolFault]? {
        do throws(OpenStackError) {
            try await tryCloud()
            return []
        } catch {
            guard error.kind != .cancelled else { return nil }
            return [ToolFault(.cloud, PlainText.sentence(error.message), advice: Self.advice(error.kind))]
        }
    }

    public func tryGuestLook(thoroughly: Bool) async -> ToolFault? { nil }

    public func tryBoot() async -> String? { "images in a cloud are not started" }

    /// Asks each service for something that needs a token and a microversion.
    /// - Returns: the project's id and how many servers it has.
    @discardableResult
    public func tryCloud() async throws(OpenStackError) -> (project: String, servers: Int) {
        _ = try await cloud.volumeQuotas()
        _ = try await cloud.images(with: [CloudMark.scope: scope.name])
        return (try await cloud.projectID(), try await cloud.servers().count)
    }

    public static func advice(_ kind: OpenStackError.Kind) -> String? {
        switch kind {
        case .unreachable, .lostAnswer, .server: "See whether the cloud's services run, and whether auth_url is right."
        case .unknownService: "See `openstack catalog list`, and region_name and interface in clouds.yaml."
        case .unknownCredential:
            "See whether clouds.yaml has the id and secret of an application credential that is neither expired nor deleted."
        case .denied: "Give the application credential's user the role member in its project."
        case .refused: "Nova of the release Train (2.79) and Cinder of Xena (3.66) are the oldest that will do."
        default: nil
        }
    }
}
