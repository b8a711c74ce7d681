import Logging
import OpenStackClient
import OpenStackDriver

extension Check {
    /// Whether the cloud answers, if its servers are the instances.
    static let cloud: [Check] = [
        Check(name: "cloud") { (settings) async throws(CommandFailure) in
            var found: [Diagnosis] = []
            for entry in try await settings.drivers() where entry.kind == .openstack {
                found += try await look(at: entry, settings)
            }
            return found
        }
    ]

    private static func look(at entry: DriverEntry, _ settings: Settings) async throws(CommandFailure) -> [Diagnosis] {
        let access = try await settings.cloudAccess(entry)
        let driver = try await settings.cloudDriver(entry, try await settings.logger("goldsmith", level: .error))
        let what = entry.name.map { "cloud \($0)" } ?? "cloud"
        do throws(OpenStackError) {
            let found = try await driver.tryCloud()
            let answer = "project \(found.project) at \(access.authURL), \(found.servers) servers"
            return [Diagnosis(what, .good, answer)]
                + (try await driver.absentPlaces()).map {
                    Diagnosis("location \($0.location)", .bad, $0.reason, advice: $0.advice)
                }
        } catch {
            let advice = OpenStackDriver.advice(error.kind)
            return [Diagnosis(what, .bad, "\(access.authURL): \(error.message)", advice: advice)]
        }
    }
}
