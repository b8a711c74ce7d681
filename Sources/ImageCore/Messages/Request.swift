/// What an upstream can ask for. The raw value is the routing key on the exchange of requests.
public enum Operation: String, Codable, Sendable, CaseIterable {
    case create = "image.create"
    case cancel = "image.cancel"
}

/// A parsed request: from here on nothing is text from outside any more.
public enum Request: Equatable, Sendable {
    case create(CreateRequest)
    case cancel(CancelRequest)

    public var identity: RequestIdentity {
        switch self {
        case .create(let request): RequestIdentity(owner: request.owner, requestID: request.requestID)
        case .cancel(let request): RequestIdentity(owner: request.owner, requestID: request.requestID)
        }
    }

    /// Two requests are the same exactly when these are equal: what was asked, not how it was spelt.
    public var fingerprint: String {
        switch self {
        case .create(let request): Operation.create.rawValue + " " + CanonicalJSON.text(request)
        case .cancel(let request): Operation.cancel.rawValue + " " + CanonicalJSON.text(request)
        }
    }
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
public struct CreateRequest: Codable, Equatable, Sendable {
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

    public init(
        requestID: RequestID,
        owner: Owner,
        instanceID: InstanceID,
        name: String,
        details: String = "",
        dataDisks: DataDisks = .chosen([]),
        replicateTo: [LocationName]? = nil,
        guestChecks: GuestChecks = .warn,
        labels: [String: String] = [:]
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
    }
}

/// `image.cancel`: stop making an image and delete what was made.
public struct CancelRequest: Codable, Equatable, Sendable {
    public var requestID: RequestID
    public var owner: Owner
    public var imageID: ImageID

    public init(requestID: RequestID, owner: Owner, imageID: ImageID) {
        self.requestID = requestID
        self.owner = owner
        self.imageID = imageID
    }
}

/// The answer to a request, sent to `reply_to` and recorded for whoever asks again.
public struct Answer: Codable, Equatable, Sendable {
    public enum Status: String, Codable, Sendable {
        case accepted
        case rejected
    }

    public var status: Status
    public var imageId: ImageID?
    public var imageStatus: ImageStatus?
    public var code: ErrorCode?
    public var message: String?
    public var field: String?

    public static func accepted(_ image: ImageID, _ status: ImageStatus) -> Answer {
        Answer(status: .accepted, imageId: image, imageStatus: status)
    }

    public static func rejected(_ rejection: Rejection) -> Answer {
        Answer(status: .rejected, code: rejection.code, message: rejection.message, field: rejection.field)
    }

    public var rejection: Rejection? {
        guard status == .rejected, let code, let message else { return nil }
        return Rejection(code, message, field: field)
    }
}
