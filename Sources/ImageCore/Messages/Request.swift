/// What an upstream can ask for. The raw value is the routing key on the exchange of requests.
public enum Operation: String, Codable, Sendable, CaseIterable {
    case create = "image.create"
    case cancel = "image.cancel"
    case retry = "image.retry"
    case delete = "image.delete"
    case share = "image.share"
    case unshare = "image.unshare"
    case convert = "image.convert"
    case describe = "image.describe"
    case launch = "instance.launch"
}

/// A parsed request: from here on nothing is text from outside any more.
public enum Request: Equatable, Sendable {
    case create(CreateRequest)
    case cancel(ImageRequest)
    case retry(ImageRequest)
    case delete(DeleteRequest)
    case share(ShareRequest)
    case unshare(ShareRequest)
    case convert(ConvertRequest)
    case describe(DescribeRequest)
    case launch(LaunchRequest)

    private var body: any RequestBody {
        switch self {
        case .create(let request): request
        case .cancel(let request), .retry(let request): request
        case .delete(let request): request
        case .share(let request), .unshare(let request): request
        case .convert(let request): request
        case .describe(let request): request
        case .launch(let request): request
        }
    }

    public var operation: Operation {
        switch self {
        case .create: .create
        case .cancel: .cancel
        case .retry: .retry
        case .delete: .delete
        case .share: .share
        case .unshare: .unshare
        case .convert: .convert
        case .describe: .describe
        case .launch: .launch
        }
    }

    public var identity: RequestIdentity { body.identity }

    /// Two requests are the same exactly when these are equal: what was asked, not how it was spelt.
    public var fingerprint: String { operation.rawValue + " " + CanonicalJSON.text(body) }
}

/// What every request says of itself.
public protocol RequestBody: Codable, Equatable, Sendable {
    var requestID: RequestID { get }
    var owner: Owner { get }
}

extension RequestBody {
    public var identity: RequestIdentity { RequestIdentity(owner: owner, requestID: requestID) }
}

/// The idempotency key of a request.
public struct RequestIdentity: Codable, Hashable, Sendable {
    public var owner: Owner
    public var requestID: RequestID

    public init(owner: Owner, requestID: RequestID) {
        self.owner = owner
        self.requestID = requestID
    }
}

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
        self.labels = labels
        self.dryRun = dryRun
    }
}

extension CreateRequest {
    public var label: Image.Label { Image.Label(name: name, details: details, labels: labels) }
}
