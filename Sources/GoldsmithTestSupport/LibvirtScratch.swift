import Foundation
public import ImageCore
public import ImageDrivers
public import LibvirtClient
import Logging

/// A libvirt driver on a host of its own, both gone with it.
public final class LibvirtScratch: Sendable {
    public let libvirt: TestLibvirt
    public let driver: LibvirtDriver
    public let host: LibvirtHost

    public init(copyRate: Int64? = nil) async throws {
        libvirt = try await TestLibvirt()
        host = LibvirtHost(uri: libvirt.uri)
        driver = Self.driver(at: libvirt.root, host, copyRate: copyRate)
        try driver.makeFolders()
    }

    /// Another driver on the same host and folders, as another worker has it.
    public static func driver(at root: String, _ host: LibvirtHost, copyRate: Int64? = nil) -> LibvirtDriver {
        LibvirtDriver(
            local: DriverScratch.driver(at: root + "/data", copyRate: copyRate),
            host: host,
            defaultOwner: Owner(known: "local"),
            disks: root + "/disks",
            logger: testLogger
        )
    }

    /// Makes a disk in the first pool, with 4 MiB of a repeated pattern in it.
    @discardableResult
    public func makeDisk(
        _ name: String,
        format: String = "qcow2",
        mebibytes: Int = 64,
        pattern: Int = 0x5a,
        _ more: [String] = []
    )
        async throws -> String
    {
        let path = libvirt.path("pool", name)
        try await DriverScratch.run(
            "/usr/bin/qemu-img",
            ["create", "-q", "-f", format] + more + [path, "\(mebibytes)M"]
        )
        try await DriverScratch.run("/usr/bin/qemu-io", ["-f", format, "-c", "write -q -P \(pattern) 1M 4M", path])
        return path
    }

    /// A disk of a domain that is defined.
    public static func disk(
        _ path: String,
        _ target: String,
        format: String = "qcow2",
        bus: String = "virtio",
        _ more: String = ""
    )
        -> String
    {
        "<disk type='file' device='disk'><driver name='qemu' type='\(format)'/><source file='\(path)'/>"
            + "<target dev='\(target)' bus='\(bus)'/>\(more)</disk>"
    }

    /// Defines a domain.
    /// - Parameters:
    ///   - devices: its disks, and what else it has.
    ///   - metadata: what is in Goldsmith's own element, its attributes before it.
    public func define(
        _ name: String,
        _ devices: String,
        owner: String? = "acct-1",
        metadata: String = "",
        os: String? = nil
    )
        async throws
    {
        let own = owner.map {
            "<metadata><g:instance xmlns:g='urn:goldsmith:instance' owner='\($0)'>\(metadata)</g:instance></metadata>"
        }
        let xml = """
            <domain type='qemu'><name>\(name)</name>\(own ?? "")<memory unit='MiB'>64</memory><vcpu>1</vcpu>
            \(os ?? "<os><type arch='x86_64' machine='q35'>hvm</type></os>")
            <devices>\(devices)<serial type='pty'/></devices></domain>
            """
        try await host.run(within: .seconds(600)) { host throws(LibvirtError) in try host.define(xml) }
    }

    /// Flips a byte in the middle of a capture.
    public func damage(_ capture: Capture) throws {
        let folder = capture.resource.kind == .imageFile ? "images" : "snapshots"
        let path = libvirt.path("data", folder, capture.resource.id.text, capture.device.shortName + ".qcow2")
        guard let handle = FileHandle(forUpdatingAtPath: path) else { throw ConformanceFailure("there is no \(path)") }
        let middle = UInt64(capture.fileSizeBytes / 2)
        try handle.seek(toOffset: middle)
        let byte = try handle.read(upToCount: 1)?.first ?? 0
        try handle.seek(toOffset: middle)
        try handle.write(contentsOf: [byte ^ 0xff])
        try handle.close()
    }

    /// For the port's rules.
    public var fixture: DriverFixture {
        DriverFixture(
            driver: driver,
            addInstance: { instance in
                var disks = ""
                var told = ""
                for disk in instance.disks {
                    let path = try await self.makeDisk(
                        "\(instance.id)-\(disk.device.shortName).qcow2",
                        mebibytes: Int(disk.sizeBytes >> 20),
                        pattern: disk.device.position + 1
                    )
                    disks += Self.disk(path, disk.device.shortName)
                    told += "<g:disk target='\(disk.device.shortName)' kind='\(disk.kind.rawValue)'/>"
                }
                try await self.define(instance.id.text, disks, owner: instance.owner.text, metadata: told)
                if instance.status == .running { try await self.libvirt.virsh(["start", instance.id.text]) }
            },
            setStatus: { try self.libvirt.virshNow([$1 == .running ? "start" : "destroy", $0.text]) },
            damage: { try self.damage($0) },
            manifest: { replica in
                let folder = self.libvirt.path("data", "locations", replica.location?.text ?? "", replica.id.text)
                return FileManager.default.contents(atPath: folder + "/manifest.json").map { Array($0) }
            },
            anchor: self
        )
    }
}
