import ArgumentParser
import TerminalText

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Find what would lose or stop work, with advice. Changes nothing.",
        discussion: """
            Ends with 1 when something would lose or stop work (bad). A warning can wait; a note is what could not be seen. \
            Whether guests can be looked into is found out by doing it, which takes the time of a virtual machine's start.

            Examples:
              goldsmith doctor
              goldsmith doctor --quick
              goldsmith doctor --json
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @Flag(help: "Skip the test of guest inspection.") var quick = false

    func run() async throws {
        let settings = try await shared.settings()
        var findings: [Diagnosis] = []
        for check in Check.all(isQuick: quick) {
            do throws(CommandFailure) {
                findings += try await check.run(settings)
            } catch {
                // A broker that is away is one thing to repair, however many checks meet it.
                guard !findings.contains(where: { $0.message == error.message }) else { continue }
                findings.append(Diagnosis(check.name, .bad, error.message, advice: error.advice))
            }
        }
        if output.json {
            try Terminal.say(json: findings)
        } else {
            for finding in findings { Terminal.say(finding.text) }
        }
        if findings.contains(where: { $0.grade == .bad }) { throw ExitCode(CommandFailure.Kind.failed.rawValue) }
    }
}
