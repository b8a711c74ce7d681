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

    func cloudAccess() async throws(CommandFailure) -> CloudAccess {
        let path = try await parsed(.openstackCloudsFile, default: Self.cloudsFile, wanted: "an absolute path") {
            text in
            text.hasPrefix("/") && text.count > 1 ? text : nil
        }
        let what = "setting openstackCloudsFile (\(SettingKey.openstackCloudsFile.environmentName)): \(path)"
        let text: String
        do throws(SecretFile.Unreadable) { text = try SecretFile.read(path) } catch {
            throw CommandFailure(.usage, "\(what): \(error.reason)", advice: "it is OpenStack's clouds.yaml")
        }
        let (cloud, region) = (try await self.text(.openstackCloud), try await self.text(.openstackRegion))
        do throws(CloudsFile.Problem) {
            return try CloudsFile.access(in: text, cloud: cloud, region: region)
        } catch {
            throw CommandFailure(.usage, "\(what): \(error.text)", advice: "see docs/openstack.md")
        }
    }

    /// The driver of the cloud's servers. It makes nothing.
    func cloudDriver(_ logger: Logger) async throws(CommandFailure) -> OpenStackDriver {
        OpenStackDriver(
            cloud: OpenStackCloud(try await cloudAccess()),
            scope: try await topology().prefix,
            locations: try await glanceLocations(),
            defaultOwner: try await owner(),
            network: try await launchNetwork(),
            logger: logger
        )
    }

    /// Names that stand for the cloud's image store. Folders are for other drivers.
    private func glanceLocations() async throws(CommandFailure) -> [LocationName] {
        let named = try await locations()
        if let folder = named.sorted(by: { $0.key < $1.key }).first(where: { $0.value != "\(data)/locations/\($0.key)" }
        ) {
            throw CommandFailure(
                .usage,
                "setting locations: \(folder.key) is a folder, and the driver openstack replicates into the cloud's own images",
                advice: "name it without a path"
            )
        }
        return named.keys.sorted()
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
