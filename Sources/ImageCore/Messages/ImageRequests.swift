/// `image.cancel`: stop making an image and delete what was made. `image.retry`: try one in Error again.
public struct ImageRequest: RequestBody {
    public var requestID: RequestID
    public var owner: Owner
    public var imageID: ImageID

    public init(requestID: RequestID, owner: Owner, imageID: ImageID) {
        self.requestID = requestID
        self.owner = owner
        self.imageID = imageID
    }
}

/// `image.delete`: delete an image. Its body must hold `"confirm": true`.
public struct DeleteRequest: RequestBody {
    public var requestID: RequestID
    public var owner: Owner
    public var imageID: ImageID
    /// Whether its snapshots go too. Default false.
    public var deleteSnapshots: Bool

    public init(requestID: RequestID, owner: Owner, imageID: ImageID, deleteSnapshots: Bool = false) {
        self.requestID = requestID
        self.owner = owner
        self.imageID = imageID
        self.deleteSnapshots = deleteSnapshots
    }
}

/// `image.share` and `image.unshare`: let other owners launch from an image, or no longer.
public struct ShareRequest: RequestBody {
    public var requestID: RequestID
    public var owner: Owner
    public var imageID: ImageID
    /// 1 to 64 owners, none twice.
    public var with: [Owner]

    public init(requestID: RequestID, owner: Owner, imageID: ImageID, with owners: [Owner]) {
        self.requestID = requestID
        self.owner = owner
        self.imageID = imageID
        with = owners
    }
}

/// `image.convert`: make an image with a cloud system disk of one with a local system disk.
public struct ConvertRequest: RequestBody {
    public var requestID: RequestID
    public var owner: Owner
    public var imageID: ImageID
    /// Absent: the source's.
    public var name: String?

    public init(requestID: RequestID, owner: Owner, imageID: ImageID, name: String? = nil) {
        self.requestID = requestID
        self.owner = owner
        self.imageID = imageID
        self.name = name
    }
}

/// `image.prove`: start a throw-away machine from one of an image's replicas, and see whether it boots.
public struct ProveRequest: RequestBody {
    public var requestID: RequestID
    public var owner: Owner
    public var imageID: ImageID
    /// Absent: the first location that has the image.
    public var location: LocationName?

    public init(requestID: RequestID, owner: Owner, imageID: ImageID, location: LocationName? = nil) {
        self.requestID = requestID
        self.owner = owner
        self.imageID = imageID
        self.location = location
    }
}

/// `image.describe`: describe one image, or list those that match. Read anew each time, and never recorded.
public struct DescribeRequest: RequestBody {
    public var requestID: RequestID
    public var owner: Owner
    /// Set: this one. Absent: all that match the filters below.
    public var imageID: ImageID?
    /// Whether to send the image's history too. Only of one image.
    public var history: Bool?
    public var status: ImageStatus?
    public var name: String?
    public var instanceID: InstanceID?
    /// Each of these with just this value.
    public var labels: [String: String]?
    /// Those that others share with the owner, instead of the owner's own.
    public var shared: Bool?
    /// 1 to 100. Default 20.
    public var limit: Int?
    /// Where the page before ended: its `nextPage`. Of a list, or of an image's history.
    public var page: Page?

    static let defaultLimit = 20

    /// The query that finds them.
    public var query: ImageQuery {
        var query = ImageQuery(
            owner: shared == true ? nil : owner,
            status: status,
            limit: limit ?? Self.defaultLimit
        )
        query.sharedWith = shared == true ? owner : nil
        query.name = name
        query.instanceID = instanceID
        query.labels = labels ?? [:]
        if case .images(let page) = page { query.page = page }
        return query
    }
}

/// `instance.launch`: make a new instance of an image.
public struct LaunchRequest: RequestBody {
    /// A change to one of the image's data disks. A disk that is not named comes as the image has it.
    public struct Preset: Codable, Equatable, Sendable {
        /// Its name in the image.
        public var device: DeviceName
        /// A larger capacity, in GiB. Absent: the image's.
        public var sizeGiB: Int?
        public var autoDelete: Bool?
        /// Whether the new instance does without it. Absent: false.
        public var leaveOut: Bool?
    }

    /// An empty disk to be added.
    public struct NewDisk: Codable, Equatable, Sendable {
        /// 1 to 1,048,576.
        public var sizeGiB: Int
        /// Absent: true.
        public var autoDelete: Bool?
    }

    public var requestID: RequestID
    public var owner: Owner
    public var imageID: ImageID
    /// The new instance's id, which no instance may have yet. Absent: a new one is made up.
    public var instanceID: InstanceID?
    /// Absent: the first location that has the image.
    public var location: LocationName?
    public var dataDisks: [Preset]
    public var newDisks: [NewDisk]
    /// Check everything and answer with the disks' names; create nothing. Absent: false.
    public var dryRun: Bool?

    public init(
        requestID: RequestID,
        owner: Owner,
        imageID: ImageID,
        instanceID: InstanceID? = nil,
        location: LocationName? = nil,
        dataDisks: [Preset] = [],
        newDisks: [NewDisk] = [],
        dryRun: Bool? = nil
    ) {
        self.requestID = requestID
        self.owner = owner
        self.imageID = imageID
        self.instanceID = instanceID
        self.location = location
        self.dataDisks = dataDisks
        self.newDisks = newDisks
        self.dryRun = dryRun
    }
}
