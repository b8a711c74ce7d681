import ArgumentParser

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Look for what would lose or stop work, and say what to do. Changes nothing.",
        discussion: """
            Ends with 1 when something would lose or stop work (bad). A warning can wait; a note is what could not be seen.

            Examples:
              goldsmith doctor
              goldsmith doctor --json
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let settings = try await shared.settings()
        var findings: [Diagnosis] = []
        for check in Check.all {
            do throws(CommandFailure) {
                findings += try await check.run(settings)
            } catch {
                // A broker that is away is one thing to mend, however many checks meet it.
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
