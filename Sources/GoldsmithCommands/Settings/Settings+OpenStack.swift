import ImageCore
import ImageDrivers
import Logging
import OpenStackClient
import OpenStackDriver
import RabbitMQTransport

/// Settings of a cloud.
extension Settings {
    /// What tools of OpenStack read too.
    static let cloudsFile = "/etc/openstack/clouds.yaml"

    func cloudAccess(_ entry: DriverEntry) async throws(CommandFailure) -> CloudAccess {
        let set = try await parsed(.openstackCloudsFile, default: Self.cloudsFile, wanted: "an absolute path") {
            text in
            text.hasPrefix("/") && text.count > 1 ? text : nil
        }
        // `/etc/openstack/clouds.yaml#east` is the cloud east in that file.
        let parts = entry.place?.split(separator: "#", maxSplits: 1).map(String.init)
        let path = parts?.first ?? set
        let key: SettingKey = parts == nil ? .openstackCloudsFile : .drivers
        let what = "setting \(key.rawValue) (\(key.environmentName)): \(path)"
        let text: String
        do throws(SecretFile.Unreadable) { text = try SecretFile.read(path) } catch {
            throw CommandFailure(
                .usage,
                "\(what): \(error.reason)",
                advice: "name OpenStack's clouds.yaml there, which this user may read; see docs/openstack.md"
            )
        }
        var (cloud, region) = (try await self.text(.openstackCloud), try await self.text(.openstackRegion))
        // Those settings are for the file that has a setting too.
        if let parts { (cloud, region) = (parts.count == 2 ? parts[1] : nil, nil) }
        do throws(CloudsFile.Problem) {
            return try CloudsFile.access(in: text, cloud: cloud, region: region)
        } catch {
            throw CommandFailure(.usage, "\(what): \(error.text)", advice: "see docs/openstack.md")
        }
    }

    /// The driver of the cloud's servers. It makes nothing.
    func cloudDriver(_ entry: DriverEntry, _ logger: Logger) async throws(CommandFailure) -> OpenStackDriver {
        OpenStackDriver(
            cloud: OpenStackCloud(try await cloudAccess(entry)),
            scope: try await topology().prefix,
            locations: try await cloudLocations(of: entry),
            defaultOwner: try await owner(),
            network: try await launchNetwork(),
            flavor: try await text(.openstackFlavor),
            logger: logger
        )
    }

    /// What each location in the cloud keeps. Folders are for other drivers.
    private func cloudLocations(of entry: DriverEntry) async throws(CommandFailure) -> [LocationName: CloudPlace] {
        let home = try await root(of: entry) + "/locations"
        var places: [LocationName: CloudPlace] = [:]
        for (name, folder) in try await locations(of: entry).sorted(by: { $0.key < $1.key }) {
            guard let place = folder.path == "\(home)/\(name)" ? .captures : CloudPlace(folder.path) else {
                throw CommandFailure(
                    .usage,
                    "setting locations: \(name) is a folder, and \(entry.title) replicates into the cloud",
                    advice: "name it without a path, or with store:<name> or volume-type:<name>; see docs/openstack.md"
                )
            }
            places[name] = place
        }
        return places
    }

    private func launchNetwork() async throws(CommandFailure) -> OpenStackDriver.Network {
        let wanted = "auto, none, or a network's UUID"
        return try await parsed(.openstackNetwork, default: .automatic, wanted: wanted) { word in
            switch word {
            case "auto": .automatic
            case "none": OpenStackDriver.Network.none
            default: OpenStackDriver.Network(uuid: word)
            }
        }
    }
}
