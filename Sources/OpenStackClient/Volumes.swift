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
public struct CloudQuota: Decodable, Sendable {
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
        let filter = try JSONPart.texts(metadata).line()
        let found = try await everything(id: \CloudVolume.id) { page async throws(OpenStackError) in
            let query = [("metadata", filter)] + page
            let request = CloudRequest(.get, .volumes, "/volumes/detail", query: query)
            let answer = try await send(request).json(Answer.self)
            return (answer.volumes, answer.volumes_links?.isEmpty == false)
        }
        return found.filter { Self.holds($0.metadata, metadata) }
    }

    /// The project's snapshots whose metadata have all of `metadata`.
    public func snapshots(with metadata: [String: String]) async throws(OpenStackError) -> [CloudSnapshot] {
        struct Answer: Decodable {
            var snapshots: [CloudSnapshot]
            var snapshots_links: [NextPage]?
        }
        let filter = try JSONPart.texts(metadata).line()
        let found = try await everything(id: \CloudSnapshot.id) { page async throws(OpenStackError) in
            let query = [("metadata", filter)] + page
            let request = CloudRequest(.get, .volumes, "/snapshots/detail", query: query)
            let answer = try await send(request).json(Answer.self)
            return (answer.snapshots, answer.snapshots_links?.isEmpty == false)
        }
        return found.filter { Self.holds($0.metadata, metadata) }
    }

    /// Older clouds leave a filter out silently, so that every row would come: each is compared here too.
    private static func holds(_ found: [String: String], _ wanted: [String: String]) -> Bool {
        wanted.allSatisfy { found[$0.key] == $0.value }
    }

    /// The names of the volume types that the project may use.
    public func volumeTypes() async throws(OpenStackError) -> [String] {
        struct Answer: Decodable {
            var volume_types: [VolumeType]
            struct VolumeType: Decodable { var name: String }
        }
        return try await send(CloudRequest(.get, .volumes, "/types")).json(Answer.self).volume_types.map(\.name)
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
    public func volumeQuotas() async throws(OpenStackError) -> [String: CloudQuota] {
        struct Answer: Decodable {
            var quota_set: [String: Entry]
            /// One of them is the project's id.
            struct Entry: Decodable {
                var use: CloudQuota?
                init(from decoder: any Decoder) throws { use = try? CloudQuota(from: decoder) }
            }
        }
        let path = "/os-quota-sets/" + (try await projectID())
        let answer = try await send(CloudRequest(.get, .volumes, path, query: [("usage", "true")]))
        return try answer.json(Answer.self).quota_set.compactMapValues(\.use)
    }
}
