import FoundationEssentials
import ImageCore

/// What `instance.json` says, checked field by field. Others write this file, so nothing in it is believed.
struct InstanceFile: Equatable, Sendable {
    struct Attached: Equatable, Sendable {
        var device: DeviceName
        var kind: DiskKind
        /// One name inside the instance's folder.
        var file: String
        var format: DiskFormat
        var autoDelete: Bool
    }

    var id: InstanceID
    var owner: Owner
    var status: InstanceStatus
    /// In the order of their device names.
    var disks: [Attached]

    static let sizeLimit = 1 << 20

    /// Its owner, as far as that can be read; the rest may be unsound.
    static func owner(in bytes: [UInt8]) -> Owner? {
        struct Owned: Decodable { var owner: Owner }
        return (try? JSONDecoder().decode(Owned.self, from: Data(bytes)))?.owner
    }

    /// - Throws: `FAILED_PRECONDITION`, naming the field.
    init(_ bytes: [UInt8], folder: InstanceID) throws(StepFailure) {
        let raw: Raw
        do {
            raw = try JSONDecoder().decode(Raw.self, from: Data(bytes))
        } catch let error as DecodingError {
            let (field, problem) = Self.explain(error)
            throw Self.wrong(folder, field, problem)
        } catch {
            throw Self.wrong(folder, nil, "is not JSON")
        }
        guard let id = InstanceID(raw.id), id == folder else {
            throw Self.wrong(folder, "id", "is not the name of its folder")
        }
        guard let owner = Owner(raw.owner) else { throw Self.wrong(folder, "owner", Owner.sentence) }
        guard IdentifierRule.allows(raw.status) else {
            throw Self.wrong(folder, "status", "say Running, Stopped or another single word")
        }
        var disks: [Attached] = []
        for (index, disk) in raw.disks.enumerated() {
            let field = { (name: String) in "disks[\(index)].\(name)" }
            guard let device = DeviceName(disk.device) else {
                throw Self.wrong(folder, field("device"), DeviceName.sentence)
            }
            guard !disks.contains(where: { $0.device == device }) else {
                throw Self.wrong(folder, field("device"), "\(device) is there twice")
            }
            guard let kind = DiskKind(rawValue: disk.kind) else {
                throw Self.wrong(folder, field("kind"), "say local or cloud")
            }
            guard let format = DiskFormat(rawValue: disk.format) else {
                throw Self.wrong(folder, field("format"), "say qcow2 or raw")
            }
            guard Self.isPlainName(disk.file) else {
                throw Self.wrong(folder, field("file"), "give the plain name of a file beside instance.json")
            }
            disks.append(
                Attached(
                    device: device,
                    kind: kind,
                    file: disk.file,
                    format: format,
                    autoDelete: disk.autoDelete ?? true
                )
            )
        }
        guard disks.contains(where: { $0.device.isSystem }) else {
            throw Self.wrong(folder, "disks", "there is no system disk \(DeviceName.system)")
        }
        self.id = id
        self.owner = owner
        self.status = InstanceStatus(raw.status)
        self.disks = disks.sorted { $0.device < $1.device }
    }

    func disk(_ device: DeviceName) throws(StepFailure) -> Attached {
        guard let disk = disks.first(where: { $0.device == device }) else {
            throw StepFailure(.permanent, .notFound, "Instance \(id) has no disk \(device).")
        }
        return disk
    }

    private static func isPlainName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && name.utf8.count <= 255
            && name.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "/") }
    }

    private static func wrong(_ id: InstanceID, _ field: String?, _ problem: String) -> StepFailure {
        StepFailure(
            .permanent,
            .failedPrecondition,
            "The description of instance \(id) is not sound: \(field.map { $0 + ": " } ?? "")\(problem).",
            advice: "Correct its instance.json."
        )
    }

    private static func explain(_ error: DecodingError) -> (field: String?, problem: String) {
        switch error {
        case .keyNotFound(let key, let context): (path(context.codingPath + [key]), "is missing")
        case .valueNotFound(_, let context): (path(context.codingPath), "is null")
        case .typeMismatch(let type, let context): (path(context.codingPath), "is not \(word(for: type))")
        case .dataCorrupted(let context): (path(context.codingPath), "is not JSON")
        @unknown default: (nil, "cannot be read")
        }
    }

    private static func word(for type: any Any.Type) -> String {
        if type == String.self { return "text" }
        if type == Bool.self { return "true or false" }
        return type == Raw.Entry.self || type == Raw.self || "\(type)".hasPrefix("Dictionary") ? "an object" : "a list"
    }

    private static func path(_ keys: [any CodingKey]) -> String? {
        let text = keys.reduce(into: "") { path, key in
            if let index = key.intValue {
                path += "[\(index)]"
            } else {
                path += (path.isEmpty ? "" : ".") + key.stringValue
            }
        }
        return text.isEmpty ? nil : text
    }

    /// The resource that a launched instance was put together in.
    static func maker(in bytes: [UInt8]) -> ResourceID? {
        struct Launched: Decodable { var launchedFrom: ResourceID }
        return (try? JSONDecoder().decode(Launched.self, from: Data(bytes)))?.launchedFrom
    }

    /// The description of a launched instance.
    static func bytes(of launch: Launch, resource: Resource) throws(StepFailure) -> [UInt8] {
        let raw = Raw(
            id: launch.instanceID.text,
            owner: launch.owner.text,
            status: InstanceStatus.stopped.description,
            disks: launch.disks.map {
                Raw.Entry(
                    device: $0.device.description,
                    kind: $0.kind.rawValue,
                    file: LocalFolders.fileName($0.device),
                    format: DiskFormat.qcow2.rawValue,
                    autoDelete: $0.autoDelete
                )
            },
            launchedFrom: resource.id.text
        )
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(raw) else {
            throw StepFailure(.permanent, .internal, "The description of \(launch.instanceID) cannot be written.")
        }
        return Array(data) + [UInt8(ascii: "\n")]
    }

    private struct Raw: Codable {
        var id: String
        var owner: String
        var status: String
        var disks: [Entry]
        var launchedFrom: String?

        struct Entry: Codable {
            var device: String
            var kind: String
            var file: String
            var format: String
            var autoDelete: Bool?
        }
    }
}

/// The formats in which the local driver takes a disk. Never found out by looking at the disk: a guest could write
/// any header it likes to the beginning of its raw disk.
enum DiskFormat: String, Codable, Sendable {
    case qcow2
    case raw
}
