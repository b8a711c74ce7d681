import ImageCore
import ImageDrivers
import LibvirtClient
import Logging

/// Settings of several libvirt hosts.
extension Settings {
    /// `nil` where there is one libvirt at most, that of `libvirtUri`.
    func libvirtHosts() async throws(CommandFailure) -> LibvirtHostList? {
        guard let text = try await text(.libvirtHosts) else { return nil }
        do throws(Rejection) { return try LibvirtHostList(text) } catch {
            throw wrongHosts(error.message, advice: "for example h1=qemu+tls://h1/system,h2=qemu+tls://h2/system")
        }
    }

    /// Each host as this process reaches it; `nil` without hosts.
    ///
    /// A worker reaches its own host by `libvirtUri`, unless the list has a URI of its machine: it reads disks as files of
    /// its machine, which another's libvirt would not describe.
    func libvirtConnections() async throws(CommandFailure) -> [HostName: LibvirtHost]? {
        guard let list = try await libvirtHosts() else {
            guard try await hosts().isEmpty else {
                throw CommandFailure(
                    .usage,
                    "setting hosts (\(SettingKey.hosts.environmentName)) names hosts, and nothing says where their libvirt is",
                    advice: "set \(SettingKey.libvirtHosts.environmentName) instead, which names them too"
                )
            }
            return nil
        }
        let own = try await host()
        var hosts: [HostName: LibvirtHost] = [:]
        for (name, uri) in list.uris {
            if name == own {
                hosts[name] = uri.isOfThisMachine ? LibvirtHost(uri: uri.text) : try await libvirtHost()
                continue
            }
            if let own, uri.isOfThisMachine, !uri.namesSocket {
                throw wrongHosts(
                    "on host \(own), \(uri.text) is not \(name)'s libvirt",
                    advice: "give \(name) a URI that can be used from everywhere, such as qemu+tls://\(name)/system"
                )
            }
            hosts[name] = LibvirtHost(uri: uri.text)
        }
        return hosts
    }

    /// The driver of one host's domains, or of all hosts'.
    func domainDriver(_ entry: DriverEntry, _ logger: Logger) async throws(CommandFailure) -> any DomainDriver {
        let local = try await folderDriver(entry, logger)
        let (owner, disks) = (try await owner(), try await libvirtDisks())
        if let uri = entry.place {
            let host = LibvirtHost(uri: uri)
            return LibvirtDriver(local: local, host: host, defaultOwner: owner, disks: disks, logger: logger)
        }
        if let hosts = try await libvirtConnections() {
            return LibvirtSite(
                local: local,
                hosts: hosts,
                own: try await host(),
                locations: try await locations(of: entry),
                defaultOwner: owner,
                disks: disks,
                logger: logger
            )
        }
        let host = try await libvirtHost()
        return LibvirtDriver(local: local, host: host, defaultOwner: owner, disks: disks, logger: logger)
    }

    func wrongHosts(_ problem: String, advice: String) -> CommandFailure {
        CommandFailure(
            .usage,
            "setting libvirtHosts (\(SettingKey.libvirtHosts.environmentName)): \(problem)",
            advice: advice
        )
    }
}
