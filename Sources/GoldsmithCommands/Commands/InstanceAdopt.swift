import ArgumentParser
import ImageCore
import ImageDrivers
import TerminalText

struct InstanceAdopt: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adopt",
        abstract: "Set the owner of a libvirt domain.",
        discussion: """
            Writes the owner into the domain's metadata. Only its owner and operators see an instance. A domain whose metadata \
            name no owner belongs to the setting 'owner'.

            Example: goldsmith instance adopt web1 --owner acct-42
            """
    )

    @OptionGroup var shared: SharedOptions
    @Argument(help: "The instance's id.", completion: Completions.instances) var id: String
    @Option(help: "The domain's new owner.") var owner: String

    func run() async throws {
        let id: InstanceID = try identifier(id, "the instance id")
        guard let owner = Owner(owner) else { throw CommandFailure(.usage, "--owner: \(Owner.sentence)") }
        let settings = try await shared.settings()
        let (entry, instance) = try await settings.driver(of: id)
        guard entry.kind == .libvirt else {
            throw CommandFailure(
                .usage,
                "only libvirt domains are adopted",
                advice: entry.name == nil ? "set driver to libvirt" : nil
            )
        }
        let driver = try await settings.domainDriver(entry, try await settings.logger("goldsmith"))
        do throws(StepFailure) {
            try await driver.adopt(instance.name, by: owner)
        } catch {
            throw CommandFailure(error)
        }
        Terminal.say("\(instance) belongs to \(owner)")
    }
}
