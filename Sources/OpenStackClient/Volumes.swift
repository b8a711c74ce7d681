/// A volume, as Cinder tells it.
public struct CloudVolume: Decodable, Sendable {
    public var id: String
    /// For example `in-use`.
    public var status: String
    /// In GiB.
    public var size: Int
    public var type: String?
    public var metadata: [String: String]
    public var isEncrypted: Bool?
    public var snapshotID: String?
    /// Of a volume that was made of an image: what the image said of itself.
    public var imageMetadata: [String: String]?

    private enum CodingKeys: String, CodingKey {
        case id, status, size, metadata
        case type = "volume_type"
        case isEncrypted = "encrypted"
        case snapshotID = "snapshot_id"
        case imageMetadata = "volume_image_metadata"
    }
}

public struct CloudSnapshot: Decodable, Sendable {
    public var id: String
    /// For example `available`.
    public var status: String
    /// In GiB.
    public var size: Int
    public var volumeID: String
    public var metadata: [String: String]
    public var createdAt: String
    /// For example `100%`.
    public var progress: String?

    private enum CodingKeys: String, CodingKey {
        case id, status, size, metadata
        case volumeID = "volume_id"
        case createdAt = "created_at"
        case progress = "os-extended-snapshot-attributes:progress"
    }
}

/// One quota of a project.
public struct QuotaUse: Decodable, Sendable {
    /// −1: none.
    public var limit: Int
    public var inUse: Int
    public var reserved: Int

    private enum CodingKeys: String, CodingKey {
        case limit, reserved
        case inUse = "in_use"
    }

    /// How much may still be added; `nil`: any.
    public var room: Int? { limit < 0 ? nil : max(0, limit - inUse - reserved) }
}

extension OpenStackCloud {
    public func volume(_ id: String) async throws(OpenStackError) -> CloudVolume {
        struct Answer: Decodable { var volume: CloudVolume }
        return try await send(CloudRequest(.get, .volumes, "/volumes/" + id)).json(Answer.self).volume
    }

    public func snapshot(_ id: String) async throws(OpenStackError) -> CloudSnapshot {
        struct Answer: Decodable { var snapshot: CloudSnapshot }
        return try await send(CloudRequest(.get, .volumes, "/snapshots/" + id)).json(Answer.self).snapshot
    }

    /// The project's volumes whose metadata have all of `metadata`.
    public func volumes(with metadata: [String: String]) async throws(OpenStackError) -> [CloudVolume] {
        struct Answer: Decodable {
            var volumes: [CloudVolume]
            var volumes_links: [NextPage]?
        }
        return try await pages(
            "/volumes/detail",
            metadata,
            Answer.self,
            { ($0.volumes, $0.volumes_links?.isEmpty == false) },
            \.id,
            \.metadata
        )
    }

    /// The project's snapshots whose metadata have all of `metadata`.
    public func snapshots(with metadata: [String: String]) async throws(OpenStackError) -> [CloudSnapshot] {
        struct Answer: Decodable {
            var snapshots: [CloudSnapshot]
            var snapshots_links: [NextPage]?
        }
        return try await pages(
            "/snapshots/detail",
            metadata,
            Answer.self,
            { ($0.snapshots, $0.snapshots_links?.isEmpty == false) },
            \.id,
            \.metadata
        )
    }

    /// Older clouds leave a filter out silently, so that every row would come: each is compared here too.
    private func pages<Answer: Decodable, Row>(
        _ path: String,
        _ metadata: [String: String],
        _ type: Answer.Type,
        _ rows: (Answer) -> (rows: [Row], isMore: Bool),
        _ id: (Row) -> String,
        _ metadataOf: (Row) -> [String: String]
    ) async throws(OpenStackError) -> [Row] {
        let filter = try JSONPart.texts(metadata).line()
        var found: [Row] = []
        var marker: String?
        while true {
            let query = [("metadata", filter), ("limit", "\(Self.pageSize)")] + (marker.map { [("marker", $0)] } ?? [])
            let answer = try await Self.page(after: marker) { () async throws(OpenStackError) in
                try await send(CloudRequest(.get, .volumes, path, query: query)).json(type)
            }
            let page = rows(answer)
            found += page.rows.filter { row in metadata.allSatisfy { metadataOf(row)[$0.key] == $0.value } }
            guard let last = page.rows.last, page.isMore else { return found }
            marker = id(last)
        }
    }

    public func createVolume(_ volume: JSONPart) async throws(OpenStackError) -> CloudVolume {
        struct Answer: Decodable { var volume: CloudVolume }
        let body = try JSONText.encode(["volume": volume] as JSONPart)
        return try await send(CloudRequest(.post, .volumes, "/volumes", body: body)).json(Answer.self).volume
    }

    public func createSnapshot(of volume: String, name: String, metadata: [String: String])
        async throws(OpenStackError) -> CloudSnapshot
    {
        struct Answer: Decodable { var snapshot: CloudSnapshot }
        let body: JSONPart = [
            "snapshot": ["volume_id": .text(volume), "name": .text(name), "metadata": .texts(metadata)]
        ]
        let request = CloudRequest(.post, .volumes, "/snapshots", body: try JSONText.encode(body))
        return try await send(request).json(Answer.self).snapshot
    }

    public func deleteSnapshot(_ id: String) async throws(OpenStackError) {
        _ = try await send(CloudRequest(.delete, .volumes, "/snapshots/" + id))
    }

    public func deleteVolume(_ id: String) async throws(OpenStackError) {
        _ = try await send(CloudRequest(.delete, .volumes, "/volumes/" + id))
    }

    /// Adds to a volume's metadata.
    public func setMetadata(_ metadata: [String: String], ofVolume id: String) async throws(OpenStackError) {
        let body = try JSONText.encode(["metadata": .texts(metadata)] as JSONPart)
        _ = try await send(CloudRequest(.post, .volumes, "/volumes/\(id)/metadata", body: body))
    }

    /// What Cinder says of a failure, the newest first.
    public func messages(about resource: String) async throws(OpenStackError) -> [String] {
        struct Answer: Decodable {
            var messages: [Message]
            struct Message: Decodable { var user_message: String }
        }
        let request = CloudRequest(.get, .volumes, "/messages", query: [("resource_uuid", resource)])
        return try await send(request).json(Answer.self).messages.map(\.user_message)
    }

    /// The project's quotas of volumes, snapshots and gigabytes, and those of each volume type (`gigabytes_<type>`).
    public func volumeQuotas() async throws(OpenStackError) -> [String: QuotaUse] {
        struct Answer: Decodable {
            var quota_set: [String: Entry]
            /// One of them is the project's id.
            struct Entry: Decodable {
                var use: QuotaUse?
                init(from decoder: any Decoder) throws { use = try? QuotaUse(from: decoder) }
            }
        }
        let path = "/os-quota-sets/" + (try await projectID())
        let answer = try await send(CloudRequest(.get, .volumes, path, query: [("usage", "true")]))
        return try answer.json(Answer.self).quota_set.compactMapValues(\.use)
    }
}
