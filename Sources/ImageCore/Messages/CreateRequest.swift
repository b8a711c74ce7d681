/// `image.create`: make an image of a stopped instance.
public struct CreateRequest: RequestBody {
    public enum DataDisks: Codable, Equatable, Sendable {
        /// The whole machine: every data disk attached when the request is accepted.
        case all
        /// These; none is an image of the system disk alone.
        case chosen([DataDisk])
    }

    public struct DataDisk: Codable, Equatable, Sendable {
        public var device: DeviceName
        /// The capacity a new instance gets, in GiB (1 to 1,048,576). Absent: the disk's own.
        public var sizeGiB: Int?
        /// Absent: as it is on the instance.
        public var autoDelete: Bool?

        public init(device: DeviceName, sizeGiB: Int? = nil, autoDelete: Bool? = nil) {
            self.device = device
            self.sizeGiB = sizeGiB
            self.autoDelete = autoDelete
        }
    }

    public var requestID: RequestID
    public var owner: Owner
    public var instanceID: InstanceID
    /// 2–32 characters: letters of any script, digits, `_ - .`
    public var name: String
    /// At most 256 characters. `description` in the message.
    public var details: String
    public var dataDisks: DataDisks
    /// `nil`: every configured location.
    public var replicateTo: [LocationName]?
    public var guestChecks: GuestChecks
    /// Absent: as the installation says.
    public var bootProof: BootProof?
    /// What is removed from the captured system disk, in the order of `SealItem.allCases`. Absent: nothing.
    public var seal: [SealItem]?
    /// Absent: secrets are not looked for.
    public var secretScan: SecretScan?
    public var labels: [String: String]
    /// Everything is checked and nothing is made. Absent: false.
    public var dryRun: Bool?

    public init(
        requestID: RequestID,
        owner: Owner,
        instanceID: InstanceID,
        name: String,
        details: String = "",
        dataDisks: DataDisks = .chosen([]),
        replicateTo: [LocationName]? = nil,
        guestChecks: GuestChecks = .warn,
        bootProof: BootProof? = nil,
        seal: [SealItem]? = nil,
        secretScan: SecretScan? = nil,
        labels: [String: String] = [:],
        dryRun: Bool? = nil
    ) {
        self.requestID = requestID
        self.owner = owner
        self.instanceID = instanceID
        self.name = name
        self.details = details
        self.dataDisks = dataDisks
        self.replicateTo = replicateTo
        self.guestChecks = guestChecks
        self.bootProof = bootProof
        self.seal = seal
        self.secretScan = secretScan
        self.labels = labels
        self.dryRun = dryRun
    }
}

extension CreateRequest {
    public var label: Image.Label { Image.Label(name: name, details: details, labels: labels) }
}
