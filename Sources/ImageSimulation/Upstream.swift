import ImageCore
import ImageWorker
import Synchronization

/// Requests images, and remembers what it requested: once, twice, something else under the same id, or to stop.
final class Upstream: Sendable {
    struct Asked: Sendable {
        var identity: RequestIdentity
        var operation: Operation
        /// What tells one copy's answer from another's.
        var correlations: [String] = []
        var isConflicting = false
    }

    private let world: World
    private let instances: [Instance]
    private let asked = Mutex<[Asked]>([])

    init(world: World, instances: [Instance]) {
        self.world = world
        self.instances = instances
    }

    var requests: [Asked] { asked.withLock { $0 } }

    func ask() async {
        for number in 0..<max(1, world.options.images) {
            await world.sleep(upTo: 20)
            let instance = instances[number % instances.count]
            var request = CreateRequest(
                requestID: RequestID(known: "r\(number)"),
                owner: instance.owner,
                instanceID: instance.id,
                name: "golden-\(number)"
            )
            switch world.dice.number(below: 3) {
            case 0: request.dataDisks = .all
            case 1: request.dataDisks = .chosen(DeviceName(position: 1).map { [.init(device: $0)] } ?? [])
            default: break
            }
            if world.dice.number(below: 3) == 0 { request.replicateTo = [LocationName(known: "east")] }
            request.bootProof = world.bootProof(number)
            (request.seal, request.secretScan) = world.guestWork(number)
            request.guestChecks = world.guestChecks(number)
            send(.create(request))
            if world.strikes(.repeat, onceIn: 3) {
                await world.sleep(upTo: 30)
                if world.dice.number(below: 2) == 0 { request.details = "another one" }
                send(.create(request))
            }
            if world.strikes(.cancel, onceIn: 5) {
                Task { await cancel(number, for: instance.owner) }
            }
            if world.strikes(.command, onceIn: 2) {
                Task { await command(number, for: instance.owner) }
            }
            if world.wantsProofs { Task { await prove(number, for: instance.owner) } }
        }
    }

    /// The owner that images are shared with.
    static let receiver = Owner(known: "acct-7")

    private static let operations: [Operation] = [
        .retry, .delete, .share, .unshare, .convert, .launch, .launch, .delete,
    ]

    /// A few things that owners ask of an image, and of what it was converted into.
    private func command(_ number: Int, for owner: Owner) async {
        for turn in 0..<(1 + world.dice.number(below: 4)) {
            await world.sleep(upTo: 120)
            var images = (try? await world.store.images(ImageQuery(owner: owner, limit: .max))) ?? []
            images = images.filter { image in
                image.requestID.text == "r\(number)" || image.requestID.text.hasPrefix("w\(number)-")
            }
            guard let image = images.randomElement(world.dice) else { continue }
            let wanted = Self.operations.randomElement(world.dice) ?? .retry
            let id = RequestID(known: "w\(number)-\(turn)")
            let request = ImageRequest(requestID: id, owner: owner, imageID: image.id)
            let sharing = ShareRequest(requestID: id, owner: owner, imageID: image.id, with: [Self.receiver])
            switch wanted {
            case .delete:
                let withSnapshots = world.dice.number(below: 2) == 0
                send(
                    .delete(
                        DeleteRequest(requestID: id, owner: owner, imageID: image.id, deleteSnapshots: withSnapshots)
                    )
                )
            case .share: send(.share(sharing))
            case .unshare: send(.unshare(sharing))
            case .convert: send(.convert(ConvertRequest(requestID: id, owner: owner, imageID: image.id)))
            case .launch: send(.launch(LaunchRequest(requestID: id, owner: owner, imageID: image.id)))
            case .cancel: send(.cancel(request))
            case .create, .retry, .prove, .describe: send(.retry(request))
            }
        }
    }

    /// Of an Available image, most times: what is refused is soon tried.
    private func prove(_ number: Int, for owner: Owner) async {
        for turn in 0..<5 {
            await world.sleep(upTo: 100)
            let images = (try? await world.store.images(ImageQuery(owner: owner, limit: .max))) ?? []
            let available = images.filter { $0.status == .available }
            let some = world.dice.number(below: 4) == 0 || available.isEmpty ? images : available
            guard let image = some.randomElement(world.dice) else { continue }
            let places = [nil] + image.plan.locations
            let id = RequestID(known: "p\(number)-\(turn)")
            let location = places.randomElement(world.dice) ?? nil
            send(.prove(ProveRequest(requestID: id, owner: owner, imageID: image.id, location: location)))
        }
    }

    /// At any moment of the making.
    private func cancel(_ number: Int, for owner: Owner) async {
        await world.sleep(upTo: world.dice.number(below: 3) == 0 ? 200 : 20)
        let images = (try? await world.store.images(ImageQuery(owner: owner))) ?? []
        guard let image = images.first(where: { $0.requestID.text == "r\(number)" }) else { return }
        let id = RequestID(known: "c\(number)")
        send(.cancel(ImageRequest(requestID: id, owner: owner, imageID: image.id)))
    }

    private func send(_ request: Request) {
        let (identity, operation) = (request.identity, request.operation)
        let id = identity.requestID.text
        let correlation: String = asked.withLock { asked in
            let index = asked.firstIndex { $0.identity == identity } ?? asked.count
            if index == asked.count { asked.append(Asked(identity: identity, operation: operation)) }
            asked[index].correlations.append("\(id)-\(asked[index].correlations.count)")
            if case .create(let create) = request, !create.details.isEmpty { asked[index].isConflicting = true }
            return asked[index].correlations.last ?? ""
        }
        world.note("upstream asks \(operation.rawValue) \(id)")
        world.broker.send(
            IncomingMessage(
                routingKey: operation.rawValue,
                messageID: id,
                correlationID: correlation,
                replyTo: "answers",
                body: request.encoded
            )
        )
    }
}
