/// Looking at everything at once, for people. Beside `ImageStore`, since nothing that moves an image needs it. Every
/// function is one transaction.
public protocol ImageListing: Sendable {
    /// How many images there are of each status. A status that no image has is absent.
    func imageCounts() async throws(StoreError) -> [ImageStatus: Int]

    /// What every owner holds and may hold, by owner: those that have ever asked for an image, or been given limits.
    /// - Parameter limit: at most this many.
    func quotas(limit: Int) async throws(StoreError) -> [QuotaUsage]
}
