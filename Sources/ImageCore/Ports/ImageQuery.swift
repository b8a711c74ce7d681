/// Which images to list, newest first.
public struct ImageQuery: Hashable, Sendable {
    public var owner: Owner?
    /// `nil`: all but those that are deleted.
    public var status: ImageStatus?
    /// At most this many. Default 100.
    public var limit = 100
    /// Only those shared with this owner.
    public var sharedWith: Owner?
    /// Only those with exactly this name.
    public var name: String?
    public var instanceID: InstanceID?
    /// Only those that have each of these labels.
    public var labels: [String: String] = [:]
    /// Only those after the end of a page before.
    public var page: ImagePage?

    public init(owner: Owner? = nil, status: ImageStatus? = nil, limit: Int = 100) {
        self.owner = owner
        self.status = status
        self.limit = limit
    }

    /// Whether an image matches what stores do not index.
    public func matches(_ image: Image) -> Bool {
        (name == nil || image.name == name) && (instanceID == nil || image.plan.instanceID == instanceID)
            && labels.allSatisfy { image.labels[$0.key] == $0.value }
    }
}

/// Where a page of images ends: at one image, so that what is added meanwhile shifts nothing. As text, for example
/// `1767225600000000-img-5f0c2b7e9a41d3c8`; opaque to clients.
public struct ImagePage: Codable, Hashable, Sendable, CustomStringConvertible {
    public var createdAt: Timestamp
    public var id: ImageID

    public init(after image: Image) {
        createdAt = image.createdAt
        id = image.id
    }

    public init?(_ text: String) {
        let parts = text.split(separator: "-", maxSplits: 1).map(String.init)
        guard parts.count == 2, let microseconds = Int64(parts[0]), let id = ImageID(parts[1]) else { return nil }
        createdAt = Timestamp(microseconds: microseconds)
        self.id = id
    }

    public var description: String { "\(createdAt.microseconds)-\(id)" }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let page = ImagePage(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a page")
        }
        self = page
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
