import ImageCore
import ImageDrivers
import Logging
import OpenStackDriver

/// Which drivers there are, and what each has.
extension Settings {
    /// In their order. The first has what was made before there were several.
    func drivers() async throws(CommandFailure) -> [DriverEntry] {
        let hosts = try await libvirtHosts()
        let entries: [DriverEntry]
        if let text = try await text(.drivers) {
            guard try await self.text(.driver) == nil else {
                throw CommandFailure(
                    .usage,
                    "the settings driver and drivers are both set",
                    advice: "leave out \(SettingKey.driver.environmentName)"
                )
            }
            do throws(Rejection) { entries = try DriversSetting.parse(text) } catch {
                throw CommandFailure(
                    .usage,
                    "setting drivers (\(SettingKey.drivers.environmentName)): \(error.message)",
                    advice: "for example kvm=libvirt,cloud=openstack:/etc/openstack/clouds.yaml"
                )
            }
        } else {
            let kind = try await parsed(.driver, default: .local, wanted: "one of \(DriverKind.list)") {
                DriverKind(rawValue: $0)
            }
            entries = [DriverEntry(kind: kind)]
        }
        guard hosts == nil || entries.contains(where: { $0.kind == .libvirt && $0.place == nil }) else {
            throw wrongHosts(
                entries.count == 1 ? "the driver is \(entries[0].kind.rawValue)" : "no driver has them",
                advice: entries[0].name == nil
                    ? "set \(SettingKey.driver.environmentName) to libvirt, or leave libvirtHosts out"
                    : "name a driver libvirt without a URI in \(SettingKey.drivers.environmentName), or leave libvirtHosts out"
            )
        }
        return entries
    }

    func driverNames() async throws(CommandFailure) -> DriverList {
        DriverList(try await drivers().compactMap(\.name))
    }

    /// The driver that an instance belongs to, and the instance's whole id.
    func driver(of id: InstanceID) async throws(CommandFailure) -> (entry: DriverEntry, instance: InstanceID) {
        let entries = try await drivers()
        let whole: InstanceID
        do throws(Rejection) { whole = try DriverList(entries.compactMap(\.name)).whole(id) } catch {
            throw CommandFailure(.usage, error.message)
        }
        return (entries.first { $0.name == whole.driver } ?? entries[0], whole)
    }

    /// Where a driver has its captures, and its instances if they are folders.
    func root(of driver: DriverEntry) async throws(CommandFailure) -> String {
        switch driver.kind {
        case .local, .simulated: if let place = driver.place { return place }
        case .libvirt, .openstack: break
        }
        // What the first has made before it had a name is still its own.
        guard let name = driver.name, try await drivers().first != driver else { return data }
        return "\(data)/drivers/\(name)"
    }

    // MARK: Locations

    /// `east=/srv/east,west@h2=/srv/west,lab/far=/srv/far,cloud/vault=store:cold`; a name without a path is a folder of its
    /// driver's.
    func locations() async throws(CommandFailure) -> [LocationName: LocationFolder] {
        let text = try await text(.locations) ?? "east,west"
        let entries = try await drivers()
        var homes: [DriverName?: String] = [:]
        for entry in entries { homes[entry.name] = try await root(of: entry) + "/locations" }
        if homes[nil] == nil { homes[nil] = homes[entries[0].name] }
        var locations: [LocationName: LocationFolder]
        do throws(Rejection) {
            locations = try LocationsSetting.parse(
                text,
                belowHomeOf: { homes[$0] },
                isWord: { name, word in
                    let driver = entries.first { $0.name == name } ?? entries[0]
                    return driver.kind == .openstack && !word.isEmpty
                }
            )
        } catch {
            throw CommandFailure(.usage, "setting locations: \(error.message)")
        }
        for (name, folder) in locations.sorted(by: { $0.key < $1.key }) {
            let driver = entries.first { $0.name == folder.driver } ?? entries[0]
            locations[name]?.driver = driver.name
            if let host = folder.host { try await requireHost(host, of: name, driver) }
            guard folder.path.hasPrefix("/") || CloudPlace(folder.path) != nil else {
                throw CommandFailure(
                    .usage,
                    "setting locations: \(name) is neither store:<id> nor volume-type:<name>",
                    advice: "see docs/openstack.md"
                )
            }
        }
        return locations
    }

    /// Those of one driver.
    func locations(of driver: DriverEntry) async throws(CommandFailure) -> [LocationName: LocationFolder] {
        try await locations().filter { $0.value.driver == driver.name }
    }

    private func requireHost(
        _ host: HostName,
        of name: LocationName,
        _ driver: DriverEntry
    ) async throws(CommandFailure) {
        guard driver.kind == .libvirt && driver.place == nil || driver.kind == .simulated else {
            throw CommandFailure(
                .usage,
                "setting locations: \(name) is a folder of host \(host), and \(driver.title) has no hosts",
                advice: "leave out @\(host)"
            )
        }
        let known = try await hosts()
        guard !known.contains(host) else { return }
        let key: SettingKey = driver.kind == .libvirt ? .libvirtHosts : .hosts
        throw CommandFailure(
            .usage,
            "setting locations: host \(host) of \(name) is not among the hosts: "
                + (known.isEmpty ? "none" : known.map(\.text).joined(separator: ", ")),
            advice: "name it in \(key.environmentName), or leave out @\(host)"
        )
    }

    /// The folders that a worker of this process has among its own files.
    func reachedLocations(of driver: DriverEntry) async throws(CommandFailure) -> [LocationName: String] {
        let own = try await host()
        return try await locations(of: driver).filter { $0.value.isReached(from: own) }.mapValues(\.path)
    }

    /// As a worker or another command reads them.
    func locationsText() async throws(CommandFailure) -> String {
        var parts: [String] = []
        for (name, folder) in try await locations().sorted(by: { $0.key < $1.key }) {
            let isInCloud = try await drivers().contains { $0.name == folder.driver && $0.kind == .openstack }
            parts.append(
                isInCloud && folder.path.hasPrefix("/")
                    ? (folder.driver.map { "\($0)/" } ?? "") + name.text : LocationsSetting.text(of: [name: folder])
            )
        }
        return parts.joined(separator: ",")
    }
}
