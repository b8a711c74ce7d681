/// What an image holds of its owner's quota: itself, and one snapshot for each cloud disk it captures (`Plan.quota`). It
/// holds it from its acceptance, or from a retry (`CommandNeed`, `Image.tryAgain`), until its clean-up
/// (`Image.finishCleanUp`) or its deletion (`Image.finishDeletion`) is done. The store only keeps the sum.
public struct QuotaUse: Codable, Equatable, Sendable {
    public var images: Int
    public var snapshots: Int

    public static let none = QuotaUse(images: 0, snapshots: 0)

    public init(images: Int, snapshots: Int) {
        self.images = images
        self.snapshots = snapshots
    }

    public static func + (left: QuotaUse, right: QuotaUse) -> QuotaUse {
        QuotaUse(images: left.images + right.images, snapshots: left.snapshots + right.snapshots)
    }
}

/// How much an owner may hold. The defaults are those of the service the behaviour is taken from.
public struct QuotaLimits: Codable, Equatable, Sendable {
    public var images: Int
    public var snapshots: Int

    public static let standard = QuotaLimits(images: 5, snapshots: 15)

    public init(images: Int, snapshots: Int) {
        self.images = images
        self.snapshots = snapshots
    }

    /// `nil` when `wanted` fits beside `used`.
    public func refusal(of wanted: QuotaUse, beside used: QuotaUse) -> Rejection? {
        if used.images + wanted.images > images {
            return Rejection(
                .quotaExceeded,
                "\(used.images) of \(images) images are taken and this needs \(wanted.images) more; ask for a higher quota"
            )
        }
        if used.snapshots + wanted.snapshots > snapshots {
            return Rejection(
                .quotaExceeded,
                "\(used.snapshots) of \(snapshots) snapshots are taken and this needs \(wanted.snapshots) more; choose fewer data disks, or ask for a higher quota",
                field: "dataDisks"
            )
        }
        return nil
    }
}

extension QuotaUsage {
    /// The usage once `wanted` is taken, or why it is not. The store reads the usage and keeps the result in one
    /// transaction.
    public func reserving(_ wanted: QuotaUse) -> Result<QuotaUsage, Rejection> {
        if let refusal = limits.refusal(of: wanted, beside: used) { return .failure(refusal) }
        return .success(QuotaUsage(owner: owner, used: used + wanted, limits: limits))
    }
}
