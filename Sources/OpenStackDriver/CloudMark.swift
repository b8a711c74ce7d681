import ImageCore
import ImageDrivers
import OpenStackClient

/// What Goldsmith writes into the metadata of all that it makes in a cloud, and finds it by. Nothing else leads from a
/// snapshot or volume back to its image.
enum CloudMark {
    /// Of which installation it is: several may share a project.
    static let scope = "goldsmith_scope"
    /// The resource that it is, or is a part of.
    static let resource = "goldsmith_resource"
    /// Of images: their own id.
    static let own = "goldsmith_self"
    /// Of snapshots: the image that they are taken for. They are awaited together.
    static let purpose = "goldsmith_for"
    static let kind = "goldsmith_kind"
    static let location = "goldsmith_location"
    static let device = "goldsmith_device"
    /// Of captures: how the disk was attached, and what its server was.
    static let flavor = "goldsmith_flavor"
    static let volumeType = "goldsmith_volume_type"
    static let autoDelete = "goldsmith_auto_delete"
    /// Of a replica's further images: the disk that is its content.
    static let part = "goldsmith_part"
    /// Of what a snapshot is read by: the location and the replica that it is read for.
    static let wayOut = "goldsmith_way_out"
    static let replica = "goldsmith_replica"
    /// Of replicas: their disks, and the manifest once they are whole.
    static let disks = "goldsmith_disks"
    static let manifest = "goldsmith_manifest"
    /// Of what a launch puts together: all of it is there.
    static let built = "goldsmith_built"
    /// Of the same: the id of the replica that it is made of.
    static let image = "goldsmith_image"
    /// Of volumes: a server has them, for good.
    static let published = "goldsmith_published"
    /// Of servers.
    static let instance = "goldsmith_instance"
    static let owner = "goldsmith_owner"

    static let yes = "yes"

    static func uuid(_ text: String) -> String { DerivedUUID.text(of: "urn:goldsmith:openstack:" + text) }

    static func isUUID(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        return parts.map(\.utf8.count) == [8, 4, 4, 4, 12] && parts.joined().allSatisfy(\.isHexDigit)
    }
}

/// The marks of one installation.
struct MarkScope: Sendable {
    let name: String

    /// What all of a resource's parts have in common.
    func marks(of id: ResourceID) -> [String: String] {
        [CloudMark.scope: name, CloudMark.resource: id.text]
    }

    /// What the snapshots of all disks of an image have in common.
    func marks(ofAllFor image: ImageID) -> [String: String] {
        [CloudMark.scope: name, CloudMark.purpose: image.text]
    }

    func marks(of resource: Resource) -> [String: String] {
        var marks = marks(of: resource.id)
        marks[CloudMark.kind] = resource.kind.rawValue
        marks[CloudMark.location] = resource.location?.text
        return marks
    }

    /// The id of the Glance image that stands for a resource. Glance never gives the id of a deleted image again, so
    /// the next one needs the next number.
    func imageID(of resource: ResourceID, part: String? = nil, number: Int) -> String {
        CloudMark.uuid("\(name)/image/\(resource)/" + (part.map { "\($0)/" } ?? "") + "\(number)")
    }

    static func imageName(of resource: ResourceID) -> String { "goldsmith \(resource)" }

    /// Whether an image that has our marks is ours. A cloud hands an image's properties on, to volumes and servers that are
    /// made of it and to all images of those: they have another's id. One that Nova or Cinder makes for us is known by its
    /// name until it has its id.
    func isOurs(_ image: CloudImage) -> Bool {
        guard let id = image.properties[CloudMark.resource].flatMap({ ResourceID($0) }) else { return false }
        return image.properties[CloudMark.own] == image.id || image.name == Self.imageName(of: id)
    }

    /// A server's tag: Nova finds servers by tags, not by metadata.
    func tag(of resource: ResourceID) -> String { "goldsmith-" + CloudMark.uuid("\(name)/resource/\(resource)") }
    static func tag(of instance: InstanceID) -> String { "goldsmith-" + CloudMark.uuid("instance/\(instance)") }

    /// - Returns: `nil` unless the marks are ours and name a resource.
    func resource(_ marks: [String: String]) -> Resource? {
        guard marks[CloudMark.scope] == name, let id = marks[CloudMark.resource].flatMap({ ResourceID($0) }),
            let kind = marks[CloudMark.kind].flatMap({ Resource.Kind(rawValue: $0) }), let image = id.imageID
        else { return nil }
        // An image of a launched server has that of the replica, too.
        let location = kind == .replica ? marks[CloudMark.location].flatMap { LocationName($0) } : nil
        guard (kind == .replica) == (location != nil) else { return nil }
        return Resource(id: id, kind: kind, imageID: image, location: location)
    }

    // MARK: Locks

    /// Why a server is locked: `goldsmith <scope> <kind> <resource>`.
    func lockReason(_ resource: Resource) -> String { "goldsmith \(name) \(resource.kind.rawValue) \(resource.id)" }

    /// - Returns: `nil` for others' locks.
    func resource(lockedFor reason: String?) -> Resource? {
        let words = (reason ?? "").split(separator: " ").map(String.init)
        guard words.count == 4, words[0] == "goldsmith", words[1] == name,
            let kind = Resource.Kind(rawValue: words[2]), kind == .imageFile || kind == .snapshot,
            let id = ResourceID(words[3]), let image = id.imageID
        else { return nil }
        return Resource(id: id, kind: kind, imageID: image)
    }
}
