import ArgumentParser
import ImageCore
import ImageWorker

struct ImageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image",
        abstract: "Make images and follow them.",
        subcommands: [
            ImageCreate.self, ImageList.self, ImageShow.self, ImageWatch.self, ImageCancel.self,
        ]
    )
}

struct ImageList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List images, newest first.",
        discussion: "Example: goldsmith image list --status Error"
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @Option(help: "Only this owner's.") var owner: String?
    @Option(help: "Only Pending, Replicating, Available or Error.") var status: String?
    @Option(help: "At most this many.") var limit = 100

    func run() async throws {
        var query = ImageQuery(limit: limit)
        if let owner { query.owner = try identifier(owner, "--owner") }
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
        var table = Table("IMAGE", "NAME", "STATUS", "INSTANCE", "OWNER", "CREATED", "REASON")
        for image in images {
            table.add(
                image.id.text,
                image.name,
                image.status.rawValue,
                image.plan.instanceID.text,
                image.owner.text,
                image.createdAt.rfc3339,
                image.failure.map { "\($0.cause.code.rawValue): \($0.cause.message)" } ?? ""
            )
        }
        Terminal.say(images.isEmpty ? "no images" : table.text)
    }
}

struct ImageShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one image: device mapping, replicas, open jobs, and why it failed.",
        discussion: "Example: goldsmith image show img-5f0c2b7e9a41d3c8"
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @Flag(help: "Show the image's history.") var history = false
    @Argument(help: "The image's id.") var id: String

    func run() async throws {
        let id: ImageID = try identifier(id, "the image id")
        let store = try await shared.settings().openStore()
        guard let image = try await stored({ () async throws(StoreError) in try await store.image(id) }) else {
            throw CommandFailure(
                .notFound,
                "there is no image \(id)",
                advice: "`goldsmith image list` shows all of them"
            )
        }
        let leases = try await liveLeases(of: id, in: store)
        let view = ImageView(image, leases: leases)
        if output.json { try Terminal.say(json: view) } else { Terminal.say(view.text) }
        guard history else { return }
        let lines = try await stored { () async throws(StoreError) in try await store.journal(of: id, after: 0) }
        var table = Table("AT", "WHAT", "JOB", "ATTEMPT", "DETAIL")
        for line in lines {
            table.add(
                line.at.rfc3339,
                line.kind.rawValue,
                line.job?.description ?? "",
                line.attempt.map(String.init) ?? "",
                line.failure.map { "\($0.code.rawValue): \($0.message)" } ?? line.reason ?? ""
            )
        }
        Terminal.say("\nHistory\n" + table.text)
    }
}

struct ImageWatch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Follow an image to its end, with a bar for each disk and replica.",
        discussion: "Ends with 0 when the image is Available, with 1 when it is Error and cleaned up."
    )

    @OptionGroup var shared: SharedOptions
    @Argument(help: "The image's id.") var id: String

    func run() async throws {
        let id: ImageID = try identifier(id, "the image id")
        let store = try await shared.settings().openStore()
        try await ImageFollower(store: store, id: id).follow()
    }
}

struct ImageCancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Stop making an image and delete what was made.",
        discussion: "Example: goldsmith image cancel img-5f0c2b7e9a41d3c8"
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @Option(help: "The owner asked for. Default: $GOLDSMITH_OWNER, else 'local'.") var owner: String?
    @Argument(help: "The image's id.") var id: String

    func run() async throws {
        let image: ImageID = try identifier(id, "the image id")
        let settings = try await shared.settings([.owner: owner])
        let request = CancelBody(
            requestId: RequestSender.newRequestID(),
            owner: try await settings.owner().text,
            imageId: image.text
        )
        let sender = try await RequestSender(settings)
        let answer = try await sender.send(.cancel, request, id: request.requestId, owner: request.owner)
        if output.json { return try Terminal.say(json: answer) }
        Terminal.say("\(image) is cancelled; what was made of it is being deleted")
    }

    private struct CancelBody: Encodable {
        var requestId: String
        var owner: String
        var imageId: String
    }
}

/// Who works on an image now. A lease that has lapsed belongs to a worker that is dead or stuck.
func liveLeases(of image: ImageID, in store: any ImageStore) async throws(CommandFailure) -> [Lease] {
    let now = SystemTime().now()
    return try await stored { () async throws(StoreError) in
        try await store.leases(of: image).filter { $0.expiresAt > now }
    }
}

/// Parses an identifier from the command line.
func identifier<ID: Identifier>(_ text: String, _ what: String) throws(CommandFailure) -> ID {
    guard let id = ID(text) else { throw CommandFailure(.usage, "\(what) is not valid: \(IdentifierRule.sentence)") }
    return id
}
