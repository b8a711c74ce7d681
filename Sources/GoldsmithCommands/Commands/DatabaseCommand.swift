import ArgumentParser
import Glibc
import ImageCore
import ImageStore
import SQLAccess
import TerminalText

struct DatabaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "database",
        abstract: "Show the store's schema version, or migrate the store.",
        discussion: """
            Stop every worker of the older version before a newer one changes the schema.

            Examples:
              goldsmith database status
              goldsmith database migrate
            """,
        subcommands: [DatabaseStatus.self, DatabaseMigrate.self]
    )
}

struct DatabaseStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show the schema's version. Changes nothing.",
        discussion: "Example: goldsmith database status --json"
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let address = try await shared.settings().storeAddress()
        try address.mustExist()
        try await DatabaseReport(of: address).say(json: output.json)
    }
}

struct DatabaseMigrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Create the schema, or bring it up to date.",
        discussion: """
            A worker does the same when it starts. For those whose workers may not make tables, and for knowing before.
            Example: goldsmith database migrate
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let settings = try await shared.settings()
        _ = try await settings.openStore(makesIt: true)
        try await DatabaseReport(of: try await settings.storeAddress()).say(json: output.json)
    }
}

private struct DatabaseReport: Encodable {
    var database: String
    var schema: SchemaStatus

    init(of address: StoreAddress) async throws(CommandFailure) {
        database = address.kind
        schema = try await address.schema(of: try address.open())
    }

    func say(json: Bool) throws {
        if json { return try Terminal.say(json: self) }
        var table = Table("DATABASE", "SCHEMA", "THIS PROGRAM'S", .wrapped("STATE"))
        table.add(database, String(schema.version), String(schema.known), schema.state.rawValue)
        Terminal.say(table.text)
    }
}
