import ArgumentParser
import Logging

/// The options every command has.
struct SharedOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The data folder of a `goldsmith dev`. Default: $GOLDSMITH_DATA, else ./goldsmith-data.",
            valueName: "dir"
        ),
        completion: .directory
    )
    var data: String?

    @Option(
        help: ArgumentHelp("A JSON file of settings; see docs/configuration.md.", valueName: "file"),
        completion: .file(extensions: ["json"])
    )
    var config: String?

    @Option(
        help: ArgumentHelp("trace, debug, info, notice, warning, error or critical.", valueName: "level"),
        completion: Completions.logLevels
    )
    var logLevel: String?

    /// - Parameter more: the flags of the command itself, those that were given.
    func settings(
        _ more: [SettingKey: String?] = [:],
        asksRunningDev: Bool = true
    ) async throws(CommandFailure) -> Settings {
        var flags = more.compactMapValues { $0 }
        flags[.data] = data
        flags[.logLevel] = logLevel
        return try await Settings(flags: flags, file: config, asksRunningDev: asksRunningDev)
    }
}

/// The option of listings.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print JSON for programs, instead of a table for people.")
    var json = false
}
