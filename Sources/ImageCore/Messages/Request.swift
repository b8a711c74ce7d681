/// What an upstream can ask for. The raw value is the routing key on the exchange of requests.
public enum Operation: String, Codable, Sendable, CaseIterable {
    case create = "image.create"
    case cancel = "image.cancel"
    case retry = "image.retry"
    case delete = "image.delete"
    case share = "image.share"
    case unshare = "image.unshare"
    case convert = "image.convert"
    case prove = "image.prove"
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
    case prove(ProveRequest)
    case describe(DescribeRequest)
    case launch(LaunchRequest)

    var body: any RequestBody {
        switch self {
        case .create(let request): request
        case .cancel(let request), .retry(let request): request
        case .delete(let request): request
        case .share(let request), .unshare(let request): request
        case .convert(let request): request
        case .prove(let request): request
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
        case .prove: .prove
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
    /// What its message holds beside owner and request id, as the parser of its type reads it.
    var fields: [String: JSONValue] { get }
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
