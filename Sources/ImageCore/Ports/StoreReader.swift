/// Reads the store and changes nothing. Every function is one transaction.
public protocol StoreReader: Sendable {
    /// The present moment by the store's own clock. All times in the store follow it.
    func time() async throws(StoreError) -> Timestamp

    // MARK: Images

    /// Images with an open job, the oldest first.
    func openImages(limit: Int) async throws(StoreError) -> [Image]
    func image(_ id: ImageID) async throws(StoreError) -> Image?
    func images(_ query: ImageQuery) async throws(StoreError) -> [Image]
    /// An image's history after a sequence number, in order, at most `limit` lines.
    func journal(of image: ImageID, after sequence: Int64, limit: Int) async throws(StoreError) -> [Announcement]
    func locks() async throws(StoreError) -> [Lock]
    func quota(of owner: Owner) async throws(StoreError) -> QuotaUsage

    // MARK: Work

    func leases(of image: ImageID) async throws(StoreError) -> [Lease]
    /// The workers that have reported and have not signed off, by id.
    func workers() async throws(StoreError) -> [WorkerStatus]
    /// The leases of all images, expired ones included.
    func leases() async throws(StoreError) -> [Lease]

    // MARK: Counts

    /// How many images there are of each status. A status that no image has is absent.
    func imageCounts() async throws(StoreError) -> [ImageStatus: Int]

    /// The usage and limits of each owner that has asked for an image or has limits of its own, by owner.
    /// - Parameter limit: at most this many.
    func quotas(limit: Int) async throws(StoreError) -> [QuotaUsage]

    /// Counts for metrics. The cost does not grow with what one image holds.
    /// - Parameter now: the moment that decides which leases are live and how old a message is.
    func statistics(at now: Timestamp) async throws(StoreError) -> StoreStatistics
}

extension StoreReader {
    /// All of an image's history after a sequence number, in order, read page by page: lines are only ever added.
    public func journal(of image: ImageID, after sequence: Int64) async throws(StoreError) -> [Announcement] {
        var lines: [Announcement] = []
        var page: [Announcement]
        repeat {
            page = try await journal(
                of: image,
                after: lines.last?.sequence ?? sequence,
                limit: HistoryPage.lineLimit
            )
            lines += page
        } while page.count == HistoryPage.lineLimit
        return lines
    }
}

/// An instance or a disk that one image creation reserves.
public struct Lock: Codable, Equatable, Sendable {
    /// `instance/i-web1` or `disk/i-web1/vdb`.
    public var key: String
    public var image: ImageID

    public init(key: String, image: ImageID) {
        self.key = key
        self.image = image
    }
}

public struct QuotaUsage: Codable, Equatable, Sendable {
    public var owner: Owner
    public var used: QuotaUse
    public var limits: QuotaLimits

    public init(owner: Owner, used: QuotaUse, limits: QuotaLimits) {
        self.owner = owner
        self.used = used
        self.limits = limits
    }
}
