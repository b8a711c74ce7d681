import ArgumentParser
import ImageCore
import TerminalText

struct ImageProve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prove",
        abstract: "Start a machine from an Available image, and see whether it boots.",
        discussion: """
            The machine is thrown away. The image stays Available, whatever is seen, and the verdict is kept with it. \
            With --wait it ends with 0 when the proof has ended, and with 1 when the guest was seen to fail.

            Examples:
              goldsmith image prove img-5f0c2b7e9a41d3c8 --wait
              goldsmith image prove img-5f0c2b7e9a41d3c8 --location west
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var request: RequestOptions
    @Option(help: "Location of the replica to start. Default: the first that has the image.") var location: String?
    @Flag(help: "Wait for the verdict.") var wait = false
    @Argument(help: "The image's id.", completion: Completions.images) var id: String

    func run() async throws {
        let fields = ProveRequest.fields(imageID: id, location: location)
        let (answer, settings) = try await request.ask(.prove, fields, shared)
        guard wait else {
            if output.json { return try Terminal.say(json: answer) }
            return Terminal.say("\(id) is being started; its verdict: goldsmith image show \(id)\(settings.sameFlags)")
        }
        let store = try await settings.openStore()
        let known: ImageID = try identifier(id, "the image id")
        let place = try place(in: try await knownImage(known, in: store))
        if !output.json { Terminal.say("\(id) is being started at \(place)") }
        try await JobFollower(store: store, id: known, job: .bootProof(place), isQuiet: output.json).follow()
        let view = ImageView(try await knownImage(known, in: store))
        if output.json {
            try Terminal.say(json: view)
        } else {
            Terminal.say(view.bootProof?.text ?? "nothing is known")
        }
        if view.bootProof?.verdict == .failed { throw ExitCode(CommandFailure.Kind.failed.rawValue) }
    }

    /// As the worker that answered has read the request.
    private func place(in image: Image) throws(CommandFailure) -> LocationName {
        if let location { return try identifier(location, "--location") }
        do throws(Rejection) { return try image.location(named: nil) } catch {
            throw CommandFailure(error, of: .prove)
        }
    }
}
