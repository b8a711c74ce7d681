import ArgumentParser
import ImageCore

struct QuotaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quota",
        abstract: "Look at an owner's quota, or set it.",
        discussion: """
            An image takes one place among its owner's images, and each cloud disk captured one among the snapshots.

            Examples:
              goldsmith quota show --owner acct-42
              goldsmith quota set --owner acct-42 --images 20 --snapshots 60
            """,
        subcommands: [QuotaShow.self, QuotaSet.self]
    )
}

struct QuotaShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show what an owner holds and may hold.",
        discussion: """
            What a failed image holds is given back when its clean-up is done.

            Example: goldsmith quota show --owner acct-42 --json
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @Option(help: "Default: $GOLDSMITH_OWNER, else 'local'.") var owner: String?

    func run() async throws {
        let settings = try await shared.settings([.owner: owner])
        let store = try await settings.openStore()
        let owner = try await settings.owner()
        let standing = try await stored { () async throws(StoreError) in try await store.quota(of: owner) }
        if output.json { return try Terminal.say(json: standing) }
        var table = Table("OWNER", "IMAGES", "SNAPSHOTS")
        table.add(
            owner.text,
            "\(standing.used.images) of \(standing.limits.images)",
            "\(standing.used.snapshots) of \(standing.limits.snapshots)"
        )
        Terminal.say(table.text)
    }
}

struct QuotaSet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Set how much an owner may hold.",
        discussion:
            "What is held already stays, even above a lower limit.\nExample: goldsmith quota set --owner acct-42 --images 20"
    )

    @OptionGroup var shared: SharedOptions
    @Option(help: "Default: $GOLDSMITH_OWNER, else 'local'.") var owner: String?
    @Option(help: "Images, 0 to 1000000. Default: as it is.") var images: Int?
    @Option(help: "Snapshots, 0 to 1000000. Default: as it is.") var snapshots: Int?

    func run() async throws {
        let range = 0...1_000_000
        guard range.contains(images ?? 0), range.contains(snapshots ?? 0) else {
            throw CommandFailure(.usage, "--images and --snapshots must be 0 to 1000000")
        }
        let settings = try await shared.settings([.owner: owner])
        let store = try await settings.openStore()
        let owner = try await settings.owner()
        let before = try await stored { () async throws(StoreError) in try await store.quota(of: owner) }
        let limits = QuotaLimits(
            images: images ?? before.limits.images,
            snapshots: snapshots ?? before.limits.snapshots
        )
        try await stored { () async throws(StoreError) in try await store.setQuota(of: owner, to: limits) }
        Terminal.say("\(owner) may hold \(limits.images) images and \(limits.snapshots) snapshots")
    }
}
