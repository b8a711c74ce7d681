import Foundation
import Glibc
import ImageCore
import ImageDrivers
import Operations
import Subprocess
import SystemPackage
import TerminalText

extension Check {
    /// What this machine has, if it is to run workers.
    static let machine: [Check] = [
        program("qemu-img", of: "qemu-utils", isFor: "no disk can be captured"),
        program("setpriv", of: "util-linux", isFor: "no child process can be started safely"),
        program("prlimit", of: "util-linux", isFor: "no child process can be started safely"),
    ]

    /// Whether guests can be looked into is found out by doing it.
    static let guests = Check(name: "guest checks") { settings throws(CommandFailure) in
        // Guests of a cloud are not looked into.
        guard try await settings.hasFiles() else { return [] }
        guard let inspector = try await settings.guestInspector() else {
            return [
                Diagnosis(
                    "guest checks",
                    .note,
                    "switched off: images say that their guest was not checked",
                    advice: "set \(SettingKey.guestInspection.environmentName)=on"
                )
            ]
        }
        let clock = ContinuousClock()
        let begin = clock.now
        if let trouble = await inspector.selfTest() {
            return [Diagnosis("guest checks", .warning, trouble.reason, advice: trouble.advice)]
        }
        let seconds = (clock.now - begin).components.seconds
        return [Diagnosis("guest checks", .good, "libguestfs works, a look takes \(seconds) s")]
    }

    private static func program(_ name: String, of package: String, isFor: String) -> Check {
        Check(name: name) { settings throws(CommandFailure) in
            guard try await settings.hasFiles() else { return [] }
            let path = "/usr/bin/\(name)"
            guard FileManager.default.isExecutableFile(atPath: path) else {
                return [
                    Diagnosis(name, .bad, "not at \(path): \(isFor)", advice: "install \(package) (scripts/setup does)")
                ]
            }
            let result = try? await Subprocess.run(
                .path(FilePath(path)),
                arguments: ["--version"],
                environment: .custom(["LC_ALL": "C"]),
                output: .string(limit: 65_536),
                error: .discarded
            )
            guard let result, result.terminationStatus.isSuccess else {
                return [Diagnosis(name, .bad, "\(path) does not run: \(isFor)", advice: "install \(package) again")]
            }
            let version = result.standardOutput.split(separator: "\n").first.map(String.init) ?? path
            return [Diagnosis(name, .good, version)]
        }
    }

    private static var architecture: String {
        var facts = utsname()
        uname(&facts)
        return withUnsafeBytes(of: facts.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// Room where bytes are written.
    static let places: [Check] = [
        Check(name: "locations") { (settings) async throws(CommandFailure) in
            let own = try await settings.host()
            // A cloud's own images are no folders.
            let clouds = Set(try await settings.drivers().filter { $0.kind == .openstack }.map(\.name))
            let folders = try await settings.locations().filter { !clouds.contains($0.value.driver) }
            return folders.sorted { $0.key < $1.key }.map { name, folder in
                guard folder.isReached(from: own) else {
                    let host = folder.host?.text ?? ""
                    return Diagnosis("location \(name)", .good, "\(folder.path) of host \(host), whose workers try it")
                }
                return room(
                    "location \(name)",
                    at: folder.path,
                    advice: "mount it, make it writable, or take it out of the setting 'locations'"
                )
            }
        },
        Check(name: "data") { (settings) async throws(CommandFailure) in
            var found: [Diagnosis] = []
            for driver in try await settings.drivers() where driver.kind == .local {
                let root = try await settings.root(of: driver)
                let key: SettingKey = driver.place == nil ? .data : .drivers
                found += ["images", "snapshots"].map { name in
                    room(
                        driver.title(of: name),
                        at: root + "/" + name,
                        advice: "workers make it when they start; is the setting '\(key.rawValue)' right?"
                    )
                }
            }
            return found
        },
        Check(name: "store's disk") { (settings) async throws(CommandFailure) in
            guard case .sqlite(let path) = try await settings.storeAddress() else { return [] }
            let folder = FilePath(path).removingLastComponent().string
            return [room("store's disk", at: folder, advice: "is \(SettingKey.storeUrl.environmentName) right?")]
        },
    ]

    /// Bytes below which the next write may fail, and below which to warn.
    private static let noRoom: Int64 = 64 << 20
    private static let littleRoom: Int64 = 1 << 30

    static func room(_ what: String, at path: String, advice: String) -> Diagnosis {
        var facts = statvfs()
        guard statvfs(path, &facts) == 0 else {
            return Diagnosis(what, .bad, "\(path) is not there", advice: advice)
        }
        guard FileManager.default.isWritableFile(atPath: path) else {
            return Diagnosis(what, .bad, "\(path) cannot be written by this user", advice: advice)
        }
        let free = Int64(clamping: UInt64(facts.f_bavail) * UInt64(facts.f_frsize))
        let text = "\(Quantity.bytes(free)) free at \(path)"
        if facts.f_files > 0, facts.f_favail == 0 {
            return Diagnosis(what, .bad, "no more files can be made at \(path)", advice: "delete files there")
        }
        if free < noRoom { return Diagnosis(what, .bad, text, advice: "make room there; what is copied to it fails") }
        return free < littleRoom
            ? Diagnosis(what, .warning, text, advice: "make room there before it is full")
            : Diagnosis(what, .good, text)
    }
}

extension Settings {
    /// Whether a worker reads and writes disks itself. A cloud's are out of reach: its workers start no program.
    fileprivate func hasFiles() async throws(CommandFailure) -> Bool {
        try await drivers().contains { $0.kind != .openstack }
    }
}

extension DriverEntry {
    /// What a finding about one of its parts is about.
    func title(of part: String) -> String { name.map { "\(part) of \($0)" } ?? part }
}
