import Foundation
import ImageCore
import ImageDrivers
import LibvirtClient

/// Settings of the driver.
extension Settings {
    /// In bytes per second; `nil` is as fast as it goes.
    func copyRate() async throws(CommandFailure) -> Int64? {
        let mebibytes = try await number(.copyRate, in: 0...1_000_000, default: 0)
        return mebibytes > 0 ? Int64(mebibytes * 1_048_576) : nil
    }

    /// What looks into guests; `nil` when nothing shall.
    func guestInspector() async throws(CommandFailure) -> GuestInspector? {
        let isOn = try await parsed(.guestInspection, default: true, wanted: "one of on, off") { word in
            ["on": true, "off": false][word]
        }
        let seconds = try await number(.guestTimeLimit, in: 1...3600, default: 300)
        guard isOn else { return nil }
        return GuestInspector(program: GuestInspector.ownProgram, timeLimit: .milliseconds(Int64(seconds * 1000)))
    }

    /// What starts replicas for boot proofs.
    func bootProver() async throws(CommandFailure) -> BootProver {
        let fast = try await number(.bootProofTimeLimit, in: 1...7200, default: 180)
        let emulated = try await number(.bootProofEmulatedTimeLimit, in: 1...7200, default: 600)
        return BootProver(
            program: GuestInspector.ownProgram,
            timeLimit: .milliseconds(Int64(fast * 1000)),
            emulatedTimeLimit: .milliseconds(Int64(emulated * 1000))
        )
    }

    /// The host whose domains are instances; with `libvirtHosts`, the worker's own.
    func libvirtHost() async throws(CommandFailure) -> LibvirtHost {
        let wanted = "a libvirt URI of this host, such as qemu:///system"
        let uri = try await parsed(.libvirtUri, default: "qemu:///system", wanted: wanted) { text in
            // Disks are read as files: a URI with a host in it would show another's.
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            return parts.count >= 4 && parts[0].hasSuffix(":") && parts[1].isEmpty && parts[2].isEmpty ? text : nil
        }
        return LibvirtHost(uri: uri)
    }

    /// The folder for launched domains' disks.
    func libvirtDisks() async throws(CommandFailure) -> String {
        let standard = "/var/lib/libvirt/images"
        return try await parsed(.libvirtDisks, default: standard, wanted: "an absolute path") { text in
            text.hasPrefix("/") && text.count > 1 ? text : nil
        }
    }

    /// How slow and how unreliable the simulated driver is.
    func simulatedFaults() async throws(CommandFailure) -> SimulatedFaults {
        let milliseconds = try await number(.simulatedDelay, in: 0...3_600_000, default: 0)
        return SimulatedFaults(
            seed: UInt64(getpid()),
            transientRate: try await number(.simulatedFaultRate, in: 0...1, default: 0),
            delay: .microseconds(Int64(milliseconds * 1000))
        )
    }
}
