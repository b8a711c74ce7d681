import ImageCore
import LibvirtClient

/// A domain as an instance: its id, its owner, and its disks by the names that its guest gives them.
struct DomainInstance: Sendable {
    struct AttachedDisk: Sendable {
        var device: DeviceName
        var kind: DiskKind
        var autoDelete: Bool
        var disk: DomainDisk
    }

    var id: InstanceID
    var owner: Owner
    var record: DomainRecord
    var xml: DomainXML
    var disks: [AttachedDisk]
    /// The resource that it was launched from, if Goldsmith has made it.
    var launchedFrom: ResourceID?

    /// What Goldsmith keeps in a domain's metadata.
    static let namespace = "urn:goldsmith:instance"
    static let prefix = "goldsmith"

    var status: InstanceStatus {
        switch record.state {
        case .shutOff: record.hasSavedMemory ? .saved : .stopped
        case .running, .blocked: .running
        case .paused: .other(record.isStarting ? "Starting" : "Paused")
        case .shuttingDown: .other("ShuttingDown")
        case .crashed: .other("Crashed")
        case .suspended: .other("Suspended")
        case .none: .other("Unknown")
        }
    }

    /// The file with the variables of its UEFI firmware, which may not exist yet; `nil` for a machine without.
    ///
    /// A description that leaves the choice of a firmware to libvirt does not say where they are; libvirt then puts them
    /// into a folder of its own (`qemuDomainNVRAMPathFormat`), under the name that the domain had.
    var firmwareVariables: String? {
        guard let os = xml.root.first("os") else { return nil }
        if let nvram = os.first("nvram") {
            // Another format, or what is no file, is left out: a file of QEMU's formats names further files.
            guard ["raw", nil].contains(nvram["format"]), ["file", nil].contains(nvram["type"]) else { return nil }
            let path = nvram.first("source")?["file"] ?? nvram.text
            if !path.isEmpty { return path }
        }
        guard MachineSheet.hasVariables(os), !record.name.contains("/") else { return nil }
        return "/var/lib/libvirt/qemu/nvram/\(record.name)_VARS.fd"
    }

    func disk(_ device: DeviceName) throws(StepFailure) -> AttachedDisk {
        guard let disk = disks.first(where: { $0.device == device }) else {
            throw StepFailure(.permanent, .notFound, "Instance \(id) has no disk \(device).")
        }
        return disk
    }

    /// A domain's name, or its UUID when its name cannot be an id.
    static func id(of record: DomainRecord) -> InstanceID? { InstanceID(record.name) ?? InstanceID(record.uuid) }

    static func description(_ record: DomainRecord, of id: InstanceID) throws(StepFailure) -> DomainXML {
        do throws(XMLProblem) {
            return try DomainXML(record.xml)
        } catch {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "The description of instance \(id) cannot be read: \(error.message).",
                advice: "See `virsh dumpxml --inactive`."
            )
        }
    }

    /// - Parameter defaultOwner: of domains that name none.
    init(_ record: DomainRecord, defaultOwner: Owner) throws(StepFailure) {
        guard let id = Self.id(of: record) else {
            throw StepFailure(.permanent, .internal, "libvirt gives a domain neither name nor UUID.")
        }
        xml = try Self.description(record, of: id)
        self.id = id
        self.record = record
        let own = xml.metadata(Self.namespace)
        owner = try Self.owner(own, of: id) ?? defaultOwner
        launchedFrom = own?["launchedFrom"].flatMap { ResourceID($0) }
        let told = own?.elements ?? []
        var disks: [AttachedDisk] = []
        for (position, disk) in DomainDisk.inGuestOrder(xml.disks).enumerated() {
            guard let device = DeviceName(position: position) else {
                throw StepFailure(
                    .permanent,
                    .failedPrecondition,
                    "Instance \(id) has more disks than have names (\(DeviceName.lastPosition + 1))."
                )
            }
            let entry = told.first { $0["target"] == disk.target }
            disks.append(
                AttachedDisk(
                    device: device,
                    kind: entry?["kind"].flatMap { DiskKind(rawValue: $0) } ?? (device.isSystem ? .local : .cloud),
                    autoDelete: entry?["autoDelete"] != "no",
                    disk: disk
                )
            )
        }
        self.disks = disks
    }

    private static func owner(_ own: XMLElement?, of id: InstanceID) throws(StepFailure) -> Owner? {
        guard let text = own?["owner"] else { return nil }
        guard let owner = Owner(text) else {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "The owner in the metadata of instance \(id) is none: \(Owner.sentence).",
                advice: "Set it anew with `goldsmith instance adopt`."
            )
        }
        return owner
    }
}
