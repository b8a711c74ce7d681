import Foundation
public import ImageCore
public import ImageDrivers
import Logging
import Subprocess
import SystemPackage

/// A local driver with folders of its own, which vanish with it, and real disks.
public final class DriverScratch: Sendable {
    public let root: String
    public let driver: LocalDriver
    public static let locations = ["east", "west"].compactMap { LocationName($0) }

    public init(locations: [LocationName] = DriverScratch.locations, copyRate: Int64? = nil) throws {
        root = FileManager.default.temporaryDirectory.path + "/goldsmith-driver-" + UUID().uuidString
        driver = Self.driver(at: root, locations: locations, copyRate: copyRate)
        try driver.makeFolders()
    }

    /// Another driver on the same folders, as another worker has it.
    public static func driver(
        at root: String,
        locations: [LocationName] = DriverScratch.locations,
        qemuImg: String = "/usr/bin/qemu-img",
        copyRate: Int64? = nil
    ) -> LocalDriver {
        var places: [LocationName: String] = [:]
        for name in locations { places[name] = root + "/locations/" + name.text }
        return LocalDriver(
            root: root,
            locations: places,
            qemuImg: qemuImg,
            copyRate: copyRate,
            logger: Logger(label: "test")
        )
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    public func path(_ parts: String...) -> String { ([root] + parts).joined(separator: "/") }

    /// A disk in an instance's `instance.json`.
    public struct DiskLine: Sendable {
        public var device: String
        public var kind: String
        public var file: String
        public var format: String

        public init(_ device: String, kind: String, file: String, format: String = "qcow2") {
            self.device = device
            self.kind = kind
            self.file = file
            self.format = format
        }
    }

    /// Writes `instance.json`; the disks' files are the caller's.
    public func describe(_ id: String, status: String = "Stopped", disks: [DiskLine]) throws {
        let object: [String: Any] = [
            "id": id, "owner": "acct-1", "status": status,
            "disks": disks.map { ["device": $0.device, "kind": $0.kind, "file": $0.file, "format": $0.format] },
        ]
        try FileManager.default.createDirectory(
            atPath: path("instances", id),
            withIntermediateDirectories: true
        )
        let data = try JSONSerialization.data(withJSONObject: object)
        try data.write(to: URL(fileURLWithPath: path("instances", id, "instance.json")), options: .atomic)
    }

    /// Changes only the status, as a compute system does when the instance is started.
    public func setStatus(_ id: String, _ status: String) throws {
        let url = URL(fileURLWithPath: path("instances", id, "instance.json"))
        var object = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any] ?? [:]
        object["status"] = status
        try JSONSerialization.data(withJSONObject: object).write(to: url, options: .atomic)
    }

    /// Makes a disk whose data is `mebibytes` MiB of a repeated pattern in the middle of `virtualMebibytes`.
    public func makeDisk(
        _ id: String,
        _ file: String,
        format: String = "qcow2",
        virtualMebibytes: Int = 64,
        mebibytes: Int = 4,
        pattern: Int = 0x5a
    ) async throws {
        try FileManager.default.createDirectory(
            atPath: path("instances", id),
            withIntermediateDirectories: true
        )
        let disk = path("instances", id, file)
        try await Self.run("/usr/bin/qemu-img", ["create", "-q", "-f", format, disk, "\(virtualMebibytes)M"])
        if mebibytes > 0 {
            try await Self.run(
                "/usr/bin/qemu-io",
                ["-f", format, "-c", "write -q -P \(pattern) 1M \(mebibytes)M", disk]
            )
        }
    }

    /// Runs a program to its end.
    /// - Throws: when it does not end with 0.
    @discardableResult
    public static func run(_ program: String, _ arguments: [String]) async throws -> String {
        let result = try await Subprocess.run(
            .path(FilePath(program)),
            arguments: Arguments(arguments),
            output: .string(limit: 1 << 20),
            error: .string(limit: 1 << 20)
        )
        guard result.terminationStatus.isSuccess else {
            throw ConformanceFailure("\(program) \(arguments): \(result.terminationStatus) \(result.standardError)")
        }
        return result.standardOutput
    }
}

/// What a driver did that the port does not allow.
public struct ConformanceFailure: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}
