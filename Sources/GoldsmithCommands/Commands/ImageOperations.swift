import ArgumentParser
import ImageCore
import TerminalText

struct ImageCancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Stop image creation and delete what exists.",
        discussion: "Example: goldsmith image cancel img-5f0c2b7e9a41d3c8"
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var request: RequestOptions
    @Argument(help: "The image's id.", completion: Completions.images) var id: String

    func run() async throws {
        let (answer, _) = try await request.ask(.cancel, ImageRequest.fields(imageID: id), shared)
        if output.json { return try Terminal.say(json: answer) }
        Terminal.say("\(id) is cancelled; what was made of it is being deleted")
    }
}

struct ImageRetry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Try an image in Error again, under the same id.",
        discussion: """
            Begins with the stop check; the instance must be stopped again. The image's history is kept.

            Example: goldsmith image retry img-5f0c2b7e9a41d3c8 --wait
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var request: RequestOptions
    @Flag(help: "Follow the image to its end.") var wait = false
    @Argument(help: "The image's id.", completion: Completions.images) var id: String

    func run() async throws {
        let (answer, settings) = try await request.ask(.retry, ImageRequest.fields(imageID: id), shared)
        try await ImageFollower.report(answer, settings, wait: wait, json: output.json)
    }
}

struct ImageDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete an image that is Available or in Error.",
        discussion: """
            Asks for the image's name on a terminal; elsewhere --confirm is needed. Its data-disk and system-disk snapshots \
            stay, and stay in the quota, unless --delete-snapshots is given; ask again with it to delete them later.

            Examples:
              goldsmith image delete img-5f0c2b7e9a41d3c8
              goldsmith image delete img-5f0c2b7e9a41d3c8 --delete-snapshots --confirm
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var request: RequestOptions
    @Flag(help: "Delete without asking.") var confirm = false
    @Flag(help: "Delete its snapshots too.") var deleteSnapshots = false
    @Flag(help: "Wait until it is gone.") var wait = false
    @Argument(help: "The image's id.", completion: Completions.images) var id: String

    func run() async throws {
        if !confirm { try await askForName() }
        let fields = DeleteRequest.fields(imageID: id, deleteSnapshots: deleteSnapshots)
        let (answer, settings) = try await request.ask(.delete, fields, shared)
        try await ImageFollower.report(answer, settings, wait: wait, json: output.json)
    }

    private func askForName() async throws {
        guard Terminal.canAsk else {
            throw CommandFailure(.usage, "deleting an image cannot be undone", advice: "say --confirm to do it")
        }
        let known: ImageID = try identifier(id, "the image id")
        let store = try await shared.settings().openStore()
        let image = try await knownImage(known, in: store)
        let typed = Terminal.ask("this deletes \(id); type its name, '\(image.name)', to go on: ")
        guard typed == image.name else {
            throw CommandFailure(
                .conflict,
                "that is not its name; nothing was deleted",
                advice: "run it again and type the name as it stands in the question, or give --confirm"
            )
        }
    }
}

struct ImageShare: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "share",
        abstract: "Let other owners launch instances from an image.",
        discussion: """
            They can neither change it nor share it further.

            Example: goldsmith image share img-5f0c2b7e9a41d3c8 --with acct-7 --with acct-8
            """
    )

    @OptionGroup var sharing: SharingOptions

    func run() async throws { try await sharing.ask(.share, done: "shared") }
}

struct ImageUnshare: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unshare",
        abstract: "Take an image back from owners it is shared with.",
        discussion: """
            Instances that they have launched stay theirs.

            Example: goldsmith image unshare img-5f0c2b7e9a41d3c8 --with acct-7
            """
    )

    @OptionGroup var sharing: SharingOptions

    func run() async throws { try await sharing.ask(.unshare, done: "no longer shared") }
}

/// An image and the owners it is shared with or taken back from.
struct SharingOptions: ParsableArguments {
    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var request: RequestOptions
    @Option(help: ArgumentHelp("An owner. Repeatable.", valueName: "owner")) var with: [String]
    @Argument(help: "The image's id.", completion: Completions.images) var id: String

    /// - Parameter done: what holds once the request is granted, before "with …".
    func ask(_ operation: Operation, done: String) async throws {
        let (answer, _) = try await request.ask(operation, ShareRequest.fields(imageID: id, with: with), shared)
        if output.json { return try Terminal.say(json: answer) }
        Terminal.say("\(id) is \(done) with \(with.joined(separator: ", "))")
    }
}

struct ImageConvert: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Create an image with a cloud system disk from one with a local system disk.",
        discussion: """
            The new image has an id of its own; both use the same data-disk snapshots. It takes 1 image and 1 snapshot of the \
            quota. Until it is made, the source is neither deleted nor converted again.

            Example: goldsmith image convert img-5f0c2b7e9a41d3c8 --name web-cloud --wait
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var request: RequestOptions
    @Option(help: "The new image's name. Default: the source's.") var name: String?
    @Flag(help: "Follow the new image to its end.") var wait = false
    @Argument(help: "The source image's id.", completion: Completions.images) var id: String

    func run() async throws {
        let fields = ConvertRequest.fields(imageID: id, name: name)
        let (answer, settings) = try await request.ask(.convert, fields, shared)
        try await ImageFollower.report(answer, settings, wait: wait, json: output.json)
    }
}
