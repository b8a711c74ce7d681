import ImageCore
import LibvirtClient

/// The hardware of the machine that an image was made of, as libvirt describes it, without what makes that machine that
/// one: names, addresses, serial numbers, and the files and devices of its host.
///
/// It is kept beside the system disk in captures and replicas, and read again from there. A writer at a location could
/// put a description there that opens any file of the host. So only known parts are taken, both times.
struct MachineSheet: Equatable, Sendable {
    private let domain: XMLElement

    init(of xml: DomainXML) { domain = Self.sheet(of: xml.root) }

    init(_ bytes: [UInt8]) throws(XMLProblem) {
        self.init(of: try DomainXML(String(decoding: bytes, as: UTF8.self)))
    }

    var bytes: [UInt8] { Array(domain.document.utf8) + [UInt8(ascii: "\n")] }

    // MARK: What is taken

    private static let parts: Set<String> = [
        "memory", "currentMemory", "vcpu", "os", "features", "cpu", "clock", "on_poweroff", "on_reboot", "on_crash",
        "pm",
        "devices",
    ]

    private static func sheet(of domain: XMLElement) -> XMLElement {
        var sheet = XMLElement("domain")
        sheet["type"] = domain["type"]
        sheet.nodes = domain.elements.filter { parts.contains($0.name) && $0.namespace == nil }.compactMap { part in
            switch part.name {
            case "vcpu":
                var part = part
                // Processors of that host.
                part["cpuset"] = nil
                return .element(part)
            case "os": return .element(os(part))
            case "devices":
                var part = part
                part.attributes = []
                part.keep(device)
                return .element(part)
            default: return .element(part)
            }
        }
        return sheet
    }

    private static func os(_ os: XMLElement) -> XMLElement {
        var kept = os
        kept.keep { part in
            switch part.name {
            case "type", "boot", "bootmenu", "bios", "firmware": return part
            case "loader":
                // libvirt finds the loader of a firmware by itself. Another must be one that is installed on the host.
                let isInstalled = part.text.hasPrefix("/usr/share/") && !part.text.contains("..")
                return os["firmware"] == nil && isInstalled ? part : nil
            default: return nil
            }
        }
        return kept
    }

    private static func device(_ device: XMLElement) -> XMLElement? {
        var kept = device
        switch device.name {
        case "disk": return ["disk", "lun"].contains(device["device"] ?? "disk") ? disk(device) : nil
        case "controller", "input", "video", "memballoon", "watchdog", "panic", "iommu", "hub":
            kept.keep { part in
                guard ["address", "model", "driver", "target", "master"].contains(part.name) else { return nil }
                var part = part
                // Devices of that host (a graphics card's), and threads that the new machine does not have.
                part.nodes = part.elements.filter { $0.name == "address" }.map { .element($0) }
                part["iothread"] = nil
                return part
            }
            return kept["type"] == "passthrough" || kept["type"] == "evdev" ? nil : kept
        case "interface": return interface(device)
        case "serial", "console":
            guard device["type"] == "pty" else { return nil }
            kept.keep { ["target", "address"].contains($0.name) ? $0 : nil }
            kept["tty"] = nil
            return kept
        case "channel":
            guard ["unix", "spicevmc", "pty"].contains(device["type"]) else { return nil }
            kept.keep { ["target", "address"].contains($0.name) ? $0 : nil }
            return kept
        case "graphics":
            guard let type = device["type"], ["vnc", "spice"].contains(type) else { return nil }
            // On loopback and any free port; no password of the source's.
            return XMLElement("graphics", ["type": type, "autoport": "yes"])
        case "sound":
            kept.keep { ["address", "codec"].contains($0.name) ? $0 : nil }
            return kept
        case "rng":
            guard device.first("backend")?["model"] == "random" else { return nil }
            kept.keep { $0.name == "backend" ? XMLElement("backend", ["model": "random"], text: "/dev/urandom") : $0 }
            return kept
        case "tpm":
            // A new one: what the source's TPM has sealed stays with the source.
            guard device.first("backend")?["type"] == "emulator" else { return nil }
            kept.keep { part in
                guard part.name == "backend" else { return nil }
                var backend = part
                backend.nodes = []
                return backend
            }
            return kept
        default: return nil
        }
    }

    private static func interface(_ interface: XMLElement) -> XMLElement? {
        guard let type = interface["type"], ["network", "bridge", "user"].contains(type) else { return nil }
        var kept = XMLElement("interface", ["type": type])
        kept.nodes = interface.elements.compactMap { part in
            switch part.name {
            case "source":
                var source = XMLElement("source")
                for name in ["network", "bridge", "portgroup"] { source[name] = part[name] }
                return .element(source)
            case "model", "address", "boot", "link", "mtu", "driver": return .element(part)
            default: return nil
            }
        }
        return kept
    }

    /// Only how the disk is attached; its files are the image's.
    private static func disk(_ disk: XMLElement) -> XMLElement {
        var kept = XMLElement("disk", ["type": "file", "device": "disk"])
        kept["model"] = disk["model"]
        kept.nodes = disk.elements.compactMap { part in
            switch part.name {
            case "target", "address", "boot", "blockio", "geometry": return .element(part)
            default: return nil
            }
        }
        return kept
    }

    /// Whether a machine's firmware is UEFI, which keeps variables in a file.
    static func hasVariables(_ os: XMLElement) -> Bool {
        os["firmware"] == "efi" || os.first("loader")?["type"] == "pflash"
    }

    var hasVariables: Bool { domain.first("os").map { Self.hasVariables($0) } ?? false }

    /// How the guest sees the disk that it is started from, in libvirt's words.
    var systemDiskBus: String {
        let disks = domain.first("devices")?.all("disk") ?? []
        let targets = disks.compactMap { $0.first("target") }
        return targets.min { ($0["dev"] ?? "") < ($1["dev"] ?? "") }?["bus"] ?? "virtio"
    }

    // MARK: A new machine

    /// The description of a launched domain. libvirt gives it new MAC addresses when it is defined.
    /// - Parameter firmwareVariables: where the new machine's own file of them is, or libvirt makes one of the firmware's
    ///   template. Left out, libvirt would take a file of this name that an earlier domain left in its own folder.
    func domain(
        for launch: Launch,
        uuid: String,
        launchedFrom resource: ResourceID,
        firmwareVariables: String,
        path: (DeviceName) -> String
    ) -> XMLElement {
        var domain = domain
        let disks = attached(launch, path)
        var devices = domain.first("devices") ?? XMLElement("devices")
        devices.nodes = (disks + devices.elements.filter { $0.name != "disk" }).map { .element($0) }
        domain.set(devices)
        if var os = domain.first("os") {
            // Without a format, so raw, whatever a location's file says of itself: QEMU's formats name further files.
            if Self.hasVariables(os) { os.nodes.append(.element(XMLElement("nvram", text: firmwareVariables))) }
            domain.set(os)
        }
        var instance = XMLElement("goldsmith:instance")
        instance["xmlns:goldsmith"] = DomainInstance.namespace
        instance["owner"] = launch.owner.text
        instance["launchedFrom"] = resource.text
        instance.nodes = zip(launch.disks, disks).map { disk, element in
            .element(
                XMLElement(
                    "goldsmith:disk",
                    [
                        "target": element.first("target")?["dev"] ?? "", "kind": disk.kind.rawValue,
                        "autoDelete": disk.autoDelete ? "yes" : "no",
                    ]
                )
            )
        }
        let own = [
            XMLElement("name", text: launch.instanceID.text), XMLElement("uuid", text: uuid),
            XMLElement("metadata", [:], [instance]),
        ]
        domain.nodes = own.map { .element($0) } + domain.nodes
        return domain
    }

    /// Each disk where the one it is copied from was attached, under a name that keeps the guest's order. A new one goes to
    /// the bus of the disk before it, into any free place.
    private func attached(_ launch: Launch, _ path: (DeviceName) -> String) -> [XMLElement] {
        let elements = domain.first("devices")?.all("disk") ?? []
        let ordered = DomainDisk.inGuestOrder(elements.map(DomainDisk.init)).map(\.target)
        var bus = "virtio"
        return launch.disks.map { disk in
            let origin = disk.from.flatMap { $0.position < ordered.count ? ordered[$0.position] : nil }
            let found = elements.first { origin != nil && $0.first("target")?["dev"] == origin }
            var element = found ?? XMLElement("disk", ["type": "file", "device": "disk"])
            var target = element.first("target") ?? XMLElement("target")
            bus = target["bus"] ?? bus
            let prefix = ["virtio": "vd", "ide": "hd", "fdc": "fd", "xen": "xvd"][bus] ?? "sd"
            target["dev"] = prefix + disk.device.shortName.dropFirst(2)
            target["bus"] = bus
            // Later ones would come before new disks, which have none.
            let kept = element.elements.filter { $0.name != "target" && ($0.name != "boot" || disk.device.isSystem) }
            element.nodes =
                [
                    .element(XMLElement("driver", ["name": "qemu", "type": "qcow2"])),
                    .element(XMLElement("source", ["file": path(disk.device)])), .element(target),
                ] + kept.map { .element($0) }
            return element
        }
    }
}
