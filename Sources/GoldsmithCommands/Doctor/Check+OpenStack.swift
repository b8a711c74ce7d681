import Logging
import OpenStackClient
import OpenStackDriver

extension Check {
    /// Whether the cloud answers, if its servers are the instances.
    static let cloud: [Check] = [
        Check(name: "cloud") { (settings) async throws(CommandFailure) in
            guard try await settings.driverKind() == .openstack else { return [] }
            let access = try await settings.cloudAccess()
            let driver = try await settings.cloudDriver(try await settings.logger("goldsmith", level: .error))
            do throws(OpenStackError) {
                let found = try await driver.tryCloud()
                return [
                    Diagnosis("cloud", .good, "project \(found.project) at \(access.authURL), \(found.servers) servers")
                ]
            } catch {
                let advice = OpenStackDriver.advice(error.kind)
                return [Diagnosis("cloud", .bad, "\(access.authURL): \(error.message)", advice: advice)]
            }
        }
    ]
}
