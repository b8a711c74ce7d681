import ArgumentParser
import ImageCore
import TerminalText

struct QuotaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quota",
        abstract: "Show owners' quotas, or set one.",
        discussion: """
            An image takes one place among its owner's images, and each cloud disk captured one among the snapshots.

            Examples:
              goldsmith quota list
              goldsmith quota show --owner acct-42
              goldsmith quota set --owner acct-42 --images 20 --snapshots 60
            """,
        subcommands: [QuotaList.self, QuotaShow.self, QuotaSet.self]
    )
}

struct QuotaList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List each owner's usage and limits.",
        discussion: """
            An owner is listed from the first image or the first limit on; all others have the standard limits and holds \
            nothing.

            Examples:
              goldsmith quota list
              goldsmith quota list --json
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @Option(help: "At most this many, 1 to 100000.") var limit = 1000

    func run() async throws {
        let limit = limit
        guard (1...100_000).contains(limit) else { throw CommandFailure(.usage, "--limit must be 1 to 100000") }
        let store = try await shared.settings().openStore()
        let usages = try await stored { () async throws(StoreError) in try await store.quotas(limit: limit) }
        if output.json { return try Terminal.say(json: usages) }
        guard !usages.isEmpty else { return Terminal.say("no owner holds anything or has limits of its own") }
        Terminal.say(QuotaTable.text(usages))
        if usages.count == limit { Terminal.complain("there may be more: --limit") }
    }
}

private enum QuotaTable {
    static func text(_ usages: [QuotaUsage]) -> String {
        var table = Table("OWNER", "IMAGES", "SNAPSHOTS")
        for usage in usages {
            table.add(
                usage.owner.text,
                "\(usage.used.images) of \(usage.limits.images)",
                "\(usage.used.snapshots) of \(usage.limits.snapshots)"
            )
        }
        return table.text
    }
}

struct QuotaShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show an owner's usage and limits.",
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
        let usage = try await stored { () async throws(StoreError) in try await store.quota(of: owner) }
        if output.json { return try Terminal.say(json: usage) }
        Terminal.say(QuotaTable.text([usage]))
    }
}

struct QuotaSet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Set an owner's limits.",
        discussion:
            "Existing images and snapshots stay, even above a lower limit.\nExample: goldsmith quota set --owner acct-42 --images 20"
    )

    @OptionGroup var shared: SharedOptions
    @Option(help: "Default: $GOLDSMITH_OWNER, else 'local'.") var owner: String?
    @Option(help: "Images, 0 to 1000000. Default: unchanged.") var images: Int?
    @Option(help: "Snapshots, 0 to 1000000. Default: unchanged.") var snapshots: Int?

    func run() async throws {
        guard images != nil || snapshots != nil else {
            throw CommandFailure(.usage, "there is nothing to set: give --images, --snapshots, or both")
        }
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
