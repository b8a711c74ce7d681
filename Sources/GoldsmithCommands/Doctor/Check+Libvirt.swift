import ImageCore
import ImageDrivers
import LibvirtClient

extension Check {
    /// Whether the host's domains can be looked at, if they are the instances.
    static let libvirt: [Check] = [
        Check(name: "libvirt") { (settings) async throws(CommandFailure) in
            var found: [Diagnosis] = []
            for entry in try await settings.drivers() where entry.kind == .libvirt {
                let what = entry.title(of: "libvirt")
                if let uri = entry.place {
                    found.append(await look(at: LibvirtHost(uri: uri), what, SettingKey.drivers))
                } else if let hosts = try await settings.libvirtConnections() {
                    found += await look(at: hosts)
                } else {
                    found.append(await look(at: try await settings.libvirtHost(), what, SettingKey.libvirtUri))
                }
            }
            return found
        },
        Check(name: "libvirt's disks") { (settings) async throws(CommandFailure) in
            guard try await settings.drivers().contains(where: { $0.kind == .libvirt }) else { return [] }
            let path = try await settings.libvirtDisks()
            return [
                room("libvirt's disks", at: path, advice: "workers make it when they start; is libvirtDisks right?")
            ]
        },
    ]

    private static func look(at hosts: [HostName: LibvirtHost]) async -> [Diagnosis] {
        await withTaskGroup(of: (HostName, Diagnosis).self) { group in
            for (name, host) in hosts {
                group.addTask { (name, await look(at: host, "libvirt of \(name)", SettingKey.libvirtHosts)) }
            }
            let found = await group.reduce(into: [HostName: Diagnosis]()) { $0[$1.0] = $1.1 }
            return found.sorted { $0.key < $1.key }.map(\.value)
        }
    }

    private static func look(at host: LibvirtHost, _ what: String, _ key: SettingKey) async -> Diagnosis {
        do throws(LibvirtError) {
            let (version, count) = try await host.run { host throws(LibvirtError) in
                (try host.version(), try host.domains().count)
            }
            return Diagnosis(what, .good, "\(version) at \(host.uri), \(count) domains")
        } catch {
            return Diagnosis(what, .bad, "\(host.uri): \(error.message)", advice: advice(error.kind, key))
        }
    }

    private static func advice(_ kind: LibvirtError.Kind, _ key: SettingKey) -> String? {
        switch kind {
        case .notInstalled: "install libvirt-daemon-system on this host"
        case .unreachable: "start it there (systemctl start libvirtd), or correct \(key.environmentName)"
        case .denied: "put this user into the group libvirt, or run as root"
        case .notFound, .invalidState, .cancelled, .other: nil
        }
    }
}
