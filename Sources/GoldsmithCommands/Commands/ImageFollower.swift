import Foundation
import ImageCore
import ImageWorker
import TerminalText

/// Shows an image's making until it ends: on a terminal a picture that is redrawn, elsewhere a line for each change.
struct ImageFollower {
    let store: any StoreReader
    let id: ImageID
    /// Says nothing before the end, which is JSON.
    var isQuiet = false

    /// - Throws: exit code 1 when the image ends in Error.
    func follow() async throws {
        var drawn = 0
        var told: [String: String] = [:]
        var failedAt: ContinuousClock.Instant?
        while true {
            let image = try await knownImage(id, in: store)
            let leases = try await liveLeases(of: id, in: store)
            let lines = ProgressLines(image, leases, at: SystemTime().now(), width: Terminal.columns).lines
            if !isQuiet {
                if Terminal.isInteractive {
                    // A line that wraps would be two on the screen, and only one would be cleared.
                    let clear = drawn > 0 ? "\u{1B}[\(drawn)A\u{1B}[J" : ""
                    Terminal.write("\u{1B}[?7l" + clear + lines.map { $0.bar + "\n" }.joined() + "\u{1B}[?7h")
                    drawn = lines.reduce(0) { $0 + $1.bar.count { $0 == "\n" } + 1 }
                } else {
                    for line in lines where told[line.name] != line.milestone {
                        told[line.name] = line.milestone
                        Terminal.say(line.bar)
                    }
                }
            }
            if image.status == .error, image.cleanUp == .running, failedAt == nil {
                failedAt = .now
                // At once, above what is redrawn: a clean-up can take long.
                if !isQuiet, let failure = ImageView(image).failure {
                    Terminal.say("\n\(failure.text)\n")
                    drawn = 0
                }
            }
            if isOver(image) || failedAt.map({ $0 + Self.timeout < .now }) == true {
                let view = ImageView(image, leases: leases)
                if isQuiet { try Terminal.say(json: view) } else { Terminal.say("\n" + view.text) }
                if image.status == .error || image.status == .deleting {
                    Foundation.exit(CommandFailure.Kind.failed.rawValue)
                }
                return
            }
            try await Task.sleep(for: .milliseconds(250))
        }
    }

    /// How long the end of a clean-up is waited for. It may take a day, while a location is away.
    private static let timeout = Duration.seconds(60)

    private func isOver(_ image: Image) -> Bool {
        switch image.status {
        case .pending, .replicating: false
        case .available, .deleted: true
        case .error: image.cleanUp != .running
        case .deleting: image.cleanUp == .incomplete
        }
    }

    /// Names need not be unique, but a search by name finds both images. Only a warning.
    private static func noteSameName(as id: ImageID, _ settings: Settings) async {
        // Whatever its status is by now: a small image is Available before this looks.
        guard let store = try? await settings.openStore(), let image = try? await store.image(id) else { return }
        var query = ImageQuery(owner: image.owner, limit: 4)
        query.name = image.name
        let others = ((try? await store.images(query)) ?? []).map(\.id).filter { $0 != id }
        guard !others.isEmpty else { return }
        let list = others.prefix(2).map(\.text).joined(separator: ", ") + (others.count > 2 ? ", …" : "")
        Terminal.complain(
            "note: \(image.owner) has another image named '\(image.name)' (\(list)); only ids tell them apart"
        )
    }

    /// Prints the outcome of a request that starts something, and follows it if that is wanted.
    static func report(_ answer: Answer, _ settings: Settings, wait: Bool, json: Bool) async throws {
        guard let image = answer.imageId else {
            throw CommandFailure(
                .failed,
                "the answer names no image",
                advice: "are worker and command of one version? `goldsmith worker list` shows the workers'"
            )
        }
        await noteSameName(as: image, settings)
        guard wait else {
            if json { return try Terminal.say(json: answer) }
            Terminal.say("\(image) is \(answer.imageStatus?.rawValue ?? "accepted")")
            return Terminal.say("follow it with: goldsmith image watch \(image)\(settings.sameFlags)")
        }
        let store = try await settings.openStore()
        if !json { Terminal.say("\(image) is accepted") }
        try await ImageFollower(store: store, id: image, isQuiet: json).follow()
    }
}
