/// What a domain's description says of what matters here. Others write it: every part may be missing or odd.
public struct DomainXML: Sendable {
    public let root: XMLElement

    public init(_ document: String) throws(XMLProblem) {
        root = try XMLElement(parsing: document)
        guard root.name == "domain" else { throw XMLProblem(message: "it describes no domain") }
    }

    /// The devices that the guest sees as disks, in the description's order. Empty drives for disks and floppies, and what
    /// is in them, are none.
    public var disks: [DomainDisk] {
        (root.first("devices")?.all("disk") ?? [])
            .filter { ["disk", "lun"].contains($0["device"] ?? "disk") }
            .map(DomainDisk.init)
    }

    /// Where the domain's firmware keeps its variables, if the description says so.
    public var nvram: String? {
        root.first("os", "nvram").map { ($0.first("source")?["file"] ?? $0.text).trimmed }.flatMap {
            $0.isEmpty ? nil : $0
        }
    }

    /// The element of that namespace in the domain's metadata.
    public func metadata(_ namespace: String) -> XMLElement? {
        root.first("metadata")?.elements.first { $0.namespace == namespace }
    }
}

/// A disk as a domain's description has it.
public struct DomainDisk: Equatable, Sendable {
    public enum Source: Equatable, Sendable {
        case file(String)
        case block(String)
        case volume(pool: String, name: String)
        /// By its protocol, for example `rbd`.
        case network(String)
        /// Another kind, by its name.
        case other(String)
        case nothing
    }

    /// For example `vda`. Unique in its domain.
    public var target: String
    /// For example `virtio`.
    public var bus: String
    public var source: Source
    /// What its file is said to be; absent means raw, as libvirt has it.
    public var format: String
    /// Its place in the order in which the firmware tries devices.
    public var bootOrder: Int?
    /// Whether the guest has the device itself, with all its commands.
    public var isPassedThrough: Bool
    public var isEncrypted: Bool
    /// Whether it is a part of its file only.
    public var isSlice: Bool
    /// The files below the first, if the description spells them out; a `nil` among them is something else than a file.
    /// The description counts then, and not what stands in the files.
    public var backing: [String?]?

    public init(_ element: XMLElement) {
        let source = element.first("source")
        let target = element.first("target")
        self.target = target?["dev"] ?? ""
        bus = target?["bus"] ?? ""
        format = element.first("driver")?["type"] ?? "raw"
        bootOrder = element.first("boot")?["order"].flatMap { Int($0) }
        isPassedThrough = element["device"] == "lun"
        isEncrypted = element.first("encryption") != nil || source?.first("encryption") != nil
        isSlice = source?.first("slices") != nil
        self.source = Self.source(element["type"] ?? "file", source)
        backing = Self.backing(of: element)
    }

    private static func source(_ type: String, _ source: XMLElement?) -> Source {
        guard let source else { return .nothing }
        switch type {
        case "file": return source["file"].map { .file($0) } ?? .nothing
        case "block": return source["dev"].map { .block($0) } ?? .nothing
        case "network": return .network(source["protocol"] ?? "network")
        case "volume":
            guard let pool = source["pool"], let name = source["volume"] else { return .nothing }
            return .volume(pool: pool, name: name)
        default: return .other(type)
        }
    }

    private static func backing(of element: XMLElement) -> [String?]? {
        guard var layer = element.first("backingStore") else { return nil }
        var files: [String?] = []
        while let source = layer.first("source") {
            files.append(layer["type"] == "file" ? source["file"] : nil)
            guard let next = layer.first("backingStore") else {
                // From here on the files' own headers count again.
                return files
            }
            layer = next
        }
        return files
    }
}

extension DomainDisk {
    /// The disks in the order in which a guest will number them: what is started from first, then by the bus, then by
    /// the letters of their targets' names. A guest is not bound by the targets' names.
    public static func inGuestOrder(_ disks: [DomainDisk]) -> [DomainDisk] {
        disks.sorted { left, right in
            left.rank == right.rank ? left.target < right.target : left.rank.lexicographicallyPrecedes(right.rank)
        }
    }

    private var rank: [Int] {
        let letters = target.utf8.drop { $0 != UInt8(ascii: "d") }.dropFirst()
        // Fewer letters first, then by the alphabet: vdz is before vdaa.
        return [bootOrder ?? .max, bus == "virtio" ? 0 : 1, bus == "usb" ? 1 : 0, letters.count]
            + letters.map { Int($0) }
    }
}

extension String {
    /// Without the blanks around it.
    fileprivate var trimmed: String {
        var text = self[...]
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
