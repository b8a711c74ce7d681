import OpenStackClient

/// A volume that Cinder is asked for.
struct CloudVolumeRequest {
    enum Content {
        case snapshot(String)
        case image(String)
    }

    var name: String
    var gigabytes: Int
    /// `nil`: it is empty.
    var content: Content?
    /// `nil`: the cloud's default.
    var type: String?
    var marks: [String: String]

    var json: JSONPart {
        var members: [String: JSONPart] = [
            "name": .text(name), "size": .number(gigabytes), "metadata": .texts(marks),
        ]
        switch content {
        case .snapshot(let id): members["snapshot_id"] = .text(id)
        case .image(let id): members["imageRef"] = .text(id)
        case nil: break
        }
        if let type { members["volume_type"] = .text(type) }
        return .object(members)
    }
}
