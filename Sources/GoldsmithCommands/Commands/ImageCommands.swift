import ArgumentParser
import ImageCore
import ImageWorker
import TerminalText

struct ImageCommands: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image",
        abstract: "Create, follow, share, convert, prove and delete images.",
        discussion: """
            An image is Pending while its disks are captured, Replicating while it is copied to its locations, then Available; \
            or it is Error, with the reason.

            Examples:
              goldsmith image create --instance i-web1 --name web-golden --wait
              goldsmith image list --status Error
              goldsmith image show img-5f0c2b7e9a41d3c8 --history
            """,
        subcommands: [
            ImageCreate.self, ImageList.self, ImageShow.self, ImageWatch.self, ImageCancel.self, ImageRetry.self,
            ImageDelete.self, ImageShare.self, ImageUnshare.self, ImageConvert.self, ImageProve.self,
        ]
    )
}

struct ImageList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List images, newest first.",
        discussion: """
            Deleted images are shown only when asked for. On a terminal times are local, with their age; elsewhere, and with \
            --json, they are UTC.

            Examples:
              goldsmith image list --status Error
              goldsmith image list --owner acct-42 --label team=web --limit 20
              goldsmith image list --shared-with acct-7
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @Option(help: "Only this owner's.") var owner: String?
    @Option(
        help: ArgumentHelp(
            "Only \(ImageStatus.allCases.map(\.rawValue).joined(separator: ", ")).",
            valueName: "status"
        ),
        completion: Completions.statuses
    )
    var status: String?
    @Option(help: "Only those with exactly this name.") var name: String?
    @Option(help: "Only those of this instance.", completion: Completions.instances) var instance: String?
    @Option(help: ArgumentHelp("Only those with this label, key=value. Repeatable.", valueName: "label"))
    var label: [String] = []
    @Option(help: ArgumentHelp("Only those shared with this owner.", valueName: "owner")) var sharedWith: String?
    @Option(help: "At most this many, 1 to 1000.") var limit = 100
    @Option(help: "Continue after an earlier page: the value it ended with.") var page: String?

    func run() async throws {
        guard (1...1000).contains(limit) else { throw CommandFailure(.usage, "--limit must be 1 to 1000") }
        var query = ImageQuery(limit: limit)
        if let owner { query.owner = try identifier(owner, "--owner") }
        if let sharedWith { query.sharedWith = try identifier(sharedWith, "--shared-with") }
        if let instance { query.instanceID = try identifier(instance, "--instance") }
        query.name = name
        query.labels = try labels(label)
        if let page {
            guard let known = ImagePage(page) else {
                throw CommandFailure(.usage, "--page is not what an earlier page ended with")
            }
            query.page = known
        }
        if let status {
            guard let known = ImageStatus(rawValue: status) else {
                let all = ImageStatus.allCases.map(\.rawValue).joined(separator: ", ")
                throw CommandFailure(.usage, "--status must be one of \(all)")
            }
            query.status = known
        }
        let store = try await shared.settings().openStore()
        let images = try await stored { () async throws(StoreError) in try await store.images(query) }
        if output.json { return try Terminal.say(json: images.map { ImageView($0) }) }
        var table = Table(
            "IMAGE",
            "NAME",
            "STATUS",
            .dropped("INSTANCE", 2),
            .dropped("OWNER", 1),
            "CREATED",
            .wrapped("REASON")
        )
        for image in images {
            table.add(
                .init(image.id.text),
                .init(image.name),
                .init(Terminal.paint(image.status.rawValue, image.status.tone)),
                .init(image.plan.instanceID.text),
                .init(image.owner.text),
                Format.cell(image.createdAt),
                .init(image.failure.map { "\($0.cause.code.rawValue): \(Format.brief($0.cause.message))" } ?? "")
            )
        }
        Terminal.say(images.isEmpty ? "no images" : table.text)
        if images.count == limit, let last = images.last {
            Terminal.say("more: repeat this with --page \(ImagePage(after: last))")
        }
    }
}

struct ImageShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one image: device mapping, replicas, open jobs, and why it failed.",
        discussion: "Example: goldsmith image show img-5f0c2b7e9a41d3c8 --history"
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @Flag(help: "Show the image's history: who asked, each attempt, wait and outcome.") var history = false
    @Argument(help: "The image's id.", completion: Completions.images) var id: String

    func run() async throws {
        let id: ImageID = try identifier(id, "the image id")
        let store = try await shared.settings().openStore()
        let image = try await knownImage(id, in: store)
        let leases = try await liveLeases(of: id, in: store)
        let workers = try await stored { () async throws(StoreError) in try await store.workers() }
        var view = ImageView(image, leases: leases, workers: workers)
        if history {
            let lines = try await stored { () async throws(StoreError) in try await store.journal(of: id, after: 0) }
            view.history = lines.map { HistoryLine($0) }
        }
        if output.json { return try Terminal.say(json: view) }
        Terminal.say(view.text)
        if let history = view.history { Terminal.say("\n" + Timeline(history).text) }
    }
}

struct ImageWatch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Follow an image to its end, with a bar for each disk and replica.",
        discussion: """
            Ends with 0 when the image is Available or deleted, with 1 when it is Error and cleaned up.

            Example: goldsmith image watch img-5f0c2b7e9a41d3c8
            """
    )

    @OptionGroup var shared: SharedOptions
    @Argument(help: "The image's id.", completion: Completions.images) var id: String

    func run() async throws {
        let id: ImageID = try identifier(id, "the image id")
        let store = try await shared.settings().openStore()
        try await ImageFollower(store: store, id: id).follow()
    }
}

/// - Throws: when the store does not know the image.
func knownImage(_ id: ImageID, in store: any StoreReader) async throws(CommandFailure) -> Image {
    guard let image = try await stored({ () async throws(StoreError) in try await store.image(id) }) else {
        throw CommandFailure(
            .notFound,
            "there is no image \(id)",
            advice: "`goldsmith image list` shows all of them"
        )
    }
    return image
}

/// The live leases of an image. A lease that has lapsed belongs to a worker that is dead or stuck.
func liveLeases(of image: ImageID, in store: any StoreReader) async throws(CommandFailure) -> [Lease] {
    try await stored { () async throws(StoreError) in
        let now = try await store.time()
        return try await store.leases(of: image).filter { $0.isAlive(at: now) }
    }
}

/// Parses an identifier from the command line.
func identifier<ID: Identifier>(_ text: String, _ what: String) throws(CommandFailure) -> ID {
    guard let id = ID(text) else { throw CommandFailure(.usage, "\(what) is not valid: \(ID.sentence)") }
    return id
}

/// Parses `key=value` from the command line.
func labels(_ texts: [String]) throws(CommandFailure) -> [String: String] {
    var labels: [String: String] = [:]
    for text in texts {
        let pair = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard pair.count == 2 else { throw CommandFailure(.usage, "--label must be key=value, not '\(text)'") }
        labels[pair[0]] = pair[1]
    }
    return labels
}
