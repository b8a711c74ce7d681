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
            var body: [String: JSONValue] = [
                "requestId": .string("r\(number)"), "owner": .string(instance.owner.text),
                "instanceId": .string(instance.id.text), "name": .string("golden-\(number)"),
            ]
            switch world.dice.number(below: 3) {
            case 0: body["dataDisks"] = .string("all")
            case 1: body["dataDisks"] = .array([.object(["device": .string("/dev/vdb")])])
            default: break
            }
            if world.dice.number(below: 3) == 0 { body["replicateTo"] = .array([.string("east")]) }
            send(.create, body)
            if world.strikes(.repeat, onceIn: 3) {
                await world.sleep(upTo: 30)
                if world.dice.number(below: 2) == 0 { body["description"] = .string("another one") }
                send(.create, body)
            }
            if world.strikes(.cancel, onceIn: 5) {
                Task { await cancel(number, for: instance.owner) }
            }
            if world.strikes(.command, onceIn: 2) {
                Task { await command(number, for: instance.owner) }
            }
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
            let operation = Self.operations.randomElement(world.dice) ?? .retry
            var body: [String: JSONValue] = [
                "requestId": .string("w\(number)-\(turn)"), "owner": .string(owner.text),
                "imageId": .string(image.id.text),
            ]
            switch operation {
            case .delete:
                body["confirm"] = .bool(true)
                body["deleteSnapshots"] = .bool(world.dice.number(below: 2) == 0)
            case .share, .unshare: body["with"] = .array([.string(Self.receiver.text)])
            case .create, .cancel, .retry, .convert, .describe, .launch: break
            }
            send(operation, body)
        }
    }

    /// At any moment of the making.
    private func cancel(_ number: Int, for owner: Owner) async {
        await world.sleep(upTo: world.dice.number(below: 3) == 0 ? 200 : 20)
        let images = (try? await world.store.images(ImageQuery(owner: owner))) ?? []
        guard let image = images.first(where: { $0.requestID.text == "r\(number)" }) else { return }
        send(
            .cancel,
            [
                "requestId": .string("c\(number)"), "owner": .string(owner.text),
                "imageId": .string(image.id.text),
            ]
        )
    }

    private func send(_ operation: Operation, _ body: [String: JSONValue]) {
        guard case .string(let id)? = body["requestId"], case .string(let owner)? = body["owner"],
            let requestID = RequestID(id)
        else { return }
        let identity = RequestIdentity(owner: Owner(known: owner), requestID: requestID)
        let correlation: String = asked.withLock { asked in
            let index = asked.firstIndex { $0.identity == identity } ?? asked.count
            if index == asked.count { asked.append(Asked(identity: identity, operation: operation)) }
            asked[index].correlations.append("\(id)-\(asked[index].correlations.count)")
            if body["description"] != nil { asked[index].isConflicting = true }
            return asked[index].correlations.last ?? ""
        }
        world.note("upstream asks \(operation.rawValue) \(id)")
        world.broker.send(
            IncomingMessage(
                routingKey: operation.rawValue,
                messageID: id,
                correlationID: correlation,
                replyTo: "answers",
                body: CanonicalJSON.bytes(JSONValue.object(body))
            )
        )
    }
}
