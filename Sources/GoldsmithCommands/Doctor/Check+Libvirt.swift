import ImageDrivers
import LibvirtClient

extension Check {
    /// Whether the host's domains can be looked at, if they are the instances.
    static let libvirt: [Check] = [
        Check(name: "libvirt") { (settings) async throws(CommandFailure) in
            guard try await settings.driverKind() == .libvirt else { return [] }
            let host = try await settings.libvirtHost()
            do throws(LibvirtError) {
                let (version, count) = try await host.run { host throws(LibvirtError) in
                    (try host.version(), try host.domains().count)
                }
                return [Diagnosis("libvirt", .good, "\(version) at \(host.uri), \(count) domains")]
            } catch {
                return [Diagnosis("libvirt", .bad, "\(host.uri): \(error.message)", advice: advice(error.kind))]
            }
        },
        Check(name: "libvirt's disks") { (settings) async throws(CommandFailure) in
            guard try await settings.driverKind() == .libvirt else { return [] }
            let path = try await settings.libvirtDisks()
            return [
                room("libvirt's disks", at: path, advice: "workers make it when they start; is libvirtDisks right?")
            ]
        },
    ]

    private static func advice(_ kind: LibvirtError.Kind) -> String? {
        switch kind {
        case .notInstalled: "install libvirt-daemon-system on this host"
        case .unreachable: "start it (systemctl start libvirtd), or correct \(SettingKey.libvirtUri.environmentName)"
        case .denied: "put this user into the group libvirt, or run as root"
        case .notFound, .invalidState, .cancelled, .other: nil
        }
    }
}
