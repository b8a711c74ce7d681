public import ImageCore
import SQLAccess

extension SQLImageStore {
    public func imageCounts() async throws(StoreError) -> [ImageStatus: Int] {
        try await read(for: .imageCounts) { (transaction) throws(SQLError) in
            var counts: [ImageStatus: Int] = [:]
            for row in try transaction.connection.query(
                "SELECT status, COUNT(*) AS images FROM images GROUP BY status"
            ) {
                guard let status = ImageStatus(rawValue: try row.text("status")) else {
                    throw SQLError(.unreadable, "an image has a status that is none")
                }
                counts[status] = Int(try row.integer("images"))
            }
            return counts
        }
    }

    public func quotas(limit: Int) async throws(StoreError) -> [QuotaUsage] {
        try await read(for: .quotas) { (transaction) throws(SQLError) in
            var usages: [QuotaUsage] = []
            for row in try transaction.connection.query(
                "SELECT owner, image_limit, snapshot_limit, images, snapshots FROM quotas ORDER BY owner LIMIT $1",
                [SQLValue(max(0, limit))]
            ) {
                guard let owner = Owner(try row.text("owner")) else {
                    throw SQLError(.unreadable, "a quota names no owner")
                }
                usages.append(
                    QuotaUsage(
                        owner: owner,
                        used: QuotaUse(
                            images: Int(try row.integer("images")),
                            snapshots: Int(try row.integer("snapshots"))
                        ),
                        limits: QuotaLimits(
                            images: Int(try row.integer("image_limit")),
                            snapshots: Int(try row.integer("snapshot_limit"))
                        )
                    )
                )
            }
            return usages
        }
    }
}
