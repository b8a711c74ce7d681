/// A virtual machine, as Nova tells it (microversion 2.79).
public struct CloudServer: Decodable, Sendable {
    public struct Flavor: Decodable, Sendable {
        /// The flavor's name when the server was made.
        public var name: String
        /// Of the local system disk, in GiB; 0: as large as its image.
        public var disk: Int

        private enum CodingKeys: String, CodingKey {
            case name = "original_name"
            case disk
        }
    }

    public var id: String
    public var name: String
    /// For example `SHUTOFF`.
    public var status: String
    /// What is being done with it at this moment.
    public var taskState: String?
    public var metadata: [String: String]
    public var flavor: Flavor
    public var isLocked: Bool
    public var lockedReason: String?
    public var tags: [String]
    /// The image that its local system disk was made of; `nil`: its system disk is a volume.
    public var imageID: String?

    private enum CodingKeys: String, CodingKey {
        case id, name, status, metadata, flavor, locked, tags, image
        case taskState = "OS-EXT-STS:task_state"
        case lockedReason = "locked_reason"
    }

    private struct Reference: Decodable { var id: String }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(String.self, forKey: .id)
        name = try container.decodeIfPresent(String.self, forKey: .name) ?? ""
        status = try container.decode(String.self, forKey: .status)
        taskState = try container.decodeIfPresent(String.self, forKey: .taskState)
        metadata = try container.decodeIfPresent([String: String].self, forKey: .metadata) ?? [:]
        flavor = try container.decode(Flavor.self, forKey: .flavor)
        isLocked = try container.decodeIfPresent(Bool.self, forKey: .locked) ?? false
        lockedReason = try container.decodeIfPresent(String.self, forKey: .lockedReason)
        tags = try container.decodeIfPresent([String].self, forKey: .tags) ?? []
        // An empty text stands for none.
        imageID = try? container.decode(Reference.self, forKey: .image).id
    }
}

/// A volume that is attached to a server.
public struct VolumeAttachment: Decodable, Sendable {
    /// For example `/dev/vdb`.
    public var device: String?
    public var volumeID: String
    public var deletesOnTermination: Bool?

    private enum CodingKeys: String, CodingKey {
        case device
        case volumeID = "volumeId"
        case deletesOnTermination = "delete_on_termination"
    }
}

/// Something that was done with a server.
public struct ServerAction: Decodable, Sendable {
    /// For example `start`.
    public var action: String
    public var requestID: String

    private enum CodingKeys: String, CodingKey {
        case action
        case requestID = "request_id"
    }
}

extension OpenStackCloud {
    /// - Throws: `notFound`, for another project's too.
    public func server(_ id: String) async throws(OpenStackError) -> CloudServer {
        struct Answer: Decodable { var server: CloudServer }
        return try await send(CloudRequest(.get, .compute, "/servers/" + id)).json(Answer.self).server
    }

    /// Every server of the project that `query` asks for.
    public func servers(_ query: [(String, String)] = []) async throws(OpenStackError) -> [CloudServer] {
        struct Answer: Decodable {
            var servers: [CloudServer]
            /// Absent on the last page.
            var servers_links: [NextPage]?
        }
        return try await everything(id: \.id) { page async throws(OpenStackError) in
            let request = CloudRequest(.get, .compute, "/servers/detail", query: query + page)
            let answer = try await send(request).json(Answer.self)
            return (answer.servers, answer.servers_links?.isEmpty == false)
        }
    }

    public func attachments(of server: String) async throws(OpenStackError) -> [VolumeAttachment] {
        struct Answer: Decodable { var volumeAttachments: [VolumeAttachment] }
        let request = CloudRequest(.get, .compute, "/servers/\(server)/os-volume_attachments")
        return try await send(request).json(Answer.self).volumeAttachments
    }

    /// What was done with a server, the newest first.
    public func actions(of server: String) async throws(OpenStackError) -> [ServerAction] {
        struct Answer: Decodable { var instanceActions: [ServerAction] }
        let request = CloudRequest(.get, .compute, "/servers/\(server)/os-instance-actions")
        return try await send(request).json(Answer.self).instanceActions
    }

    /// `{"os-stop": null}` and the like.
    @discardableResult
    public func act(on server: String, _ action: JSONPart) async throws(OpenStackError) -> CloudAnswer {
        try await send(CloudRequest(.post, .compute, "/servers/\(server)/action", body: try JSONText.encode(action)))
    }

    /// Asks for an image of a server's local disk.
    /// - Returns: the image's id.
    public func createImage(of server: String, name: String, metadata: [String: String]) async throws(OpenStackError)
        -> String
    {
        struct Answer: Decodable { var image_id: String }
        let action: JSONPart = ["createImage": ["name": .text(name), "metadata": .texts(metadata)]]
        return try await act(on: server, action).json(Answer.self).image_id
    }

    /// - Returns: the new server's id.
    public func createServer(_ server: JSONPart) async throws(OpenStackError) -> String {
        struct Answer: Decodable {
            var server: Server
            struct Server: Decodable { var id: String }
        }
        let body = try JSONText.encode(["server": server] as JSONPart)
        return try await send(CloudRequest(.post, .compute, "/servers", body: body)).json(Answer.self).server.id
    }

    public func deleteServer(_ id: String) async throws(OpenStackError) {
        _ = try await send(CloudRequest(.delete, .compute, "/servers/" + id))
    }

    /// The ids of all flavors, by name.
    public func flavors() async throws(OpenStackError) -> [String: CloudFlavor] {
        struct Answer: Decodable { var flavors: [CloudFlavor] }
        let answer = try await send(CloudRequest(.get, .compute, "/flavors/detail", query: [("limit", "1000")]))
        return Dictionary(
            try answer.json(Answer.self).flavors.map { ($0.name, $0) },
            uniquingKeysWith: { first, _ in first }
        )
    }
}

public struct CloudFlavor: Decodable, Sendable {
    public var id: String
    public var name: String
    /// In GiB.
    public var disk: Int
}
