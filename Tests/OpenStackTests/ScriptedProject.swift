import Foundation
import ImageCore
import Logging
import Synchronization

@testable import OpenStackClient
@testable import OpenStackDriver

/// A project with one stopped server whose disks are volumes, played by a `ScriptedService`: what a capture needs of it.
///
/// It is there for faults, and to count requests. What a cloud really does, the tests on a private one say.
final class ScriptedProject: Sendable {
    static let server = "3f0c2a52-6a0e-4c0e-9d5e-0b8f3f6b7a11"
    static let instance = InstanceID(known: server)

    struct Snapshot {
        var volume: String
        var metadata: [String: String]
        var status = "creating"
    }

    struct State {
        var volumes: Int
        var lockedReason: String?
        /// What Nova does with the server.
        var task: String?
        var actions = ["create"]
        var snapshots: [String: Snapshot] = [:]
        var room: [String: Int] = [:]
        /// How many lists of snapshots are read, from the one on that has one of each volume, until all are available.
        var looksUntilAvailable = 1
        /// What becomes of a request before it is done: an answer instead.
        var instead: (@Sendable (ScriptedService.Request, inout State) -> ScriptedService.Answer?)?
        /// The same when it was done.
        var afterwards: (@Sendable (ScriptedService.Request) -> ScriptedService.Answer?)?
    }

    private let state: StateBox
    let service: ScriptedService
    let driver: OpenStackDriver

    private final class StateBox: Sendable {
        let value: Mutex<State>
        init(_ state: State) { value = Mutex(state) }
    }

    init(volumes: Int, _ change: (inout State) -> Void = { _ in }) async throws {
        var first = State(volumes: volumes)
        change(&first)
        let state = StateBox(first)
        self.state = state
        service = try await ScriptedService { _, request in state.value.withLock { Self.answer(request, &$0) } }
        let access = CloudAccess(authURL: service.address, credentialID: "i", secret: CloudSecret("s"), region: "one")
        driver = OpenStackDriver(
            cloud: OpenStackCloud(access, pauses: [.milliseconds(1)]),
            scope: "test",
            locations: [LocationName(known: "east"): .captures],
            defaultOwner: Owner(known: "local"),
            logger: Logger(label: "test")
        )
    }

    var snapshots: [String: Snapshot] { state.value.withLock { $0.snapshots } }
    var isLocked: Bool { state.value.withLock { $0.lockedReason != nil } }

    /// How many requests began so.
    func count(_ start: String) -> Int { service.requests.filter { $0.line.hasPrefix(start) }.count }

    func resource(_ position: Int) throws -> (DeviceName, Resource) {
        guard let device = DeviceName(position: position) else { throw CocoaError(.featureUnsupported) }
        let image = ImageID(known: "img-1")
        let id = ResourceID(image: image, part: device.shortName, fence: 1)
        return (device, Resource(id: id, kind: .snapshot, imageID: image))
    }

    @discardableResult
    func capture(_ position: Int = 0) async throws -> Capture {
        let (device, resource) = try resource(position)
        return try await driver.capture(device, of: Self.instance, into: resource) { _ in }
    }

    // MARK: Answers

    private static func answer(_ request: ScriptedService.Request, _ state: inout State) -> ScriptedService.Answer {
        if let answer = state.instead?(request, &state) { return answer }
        let answer = done(request, &state)
        return state.afterwards?(request) ?? answer
    }

    private static func done(_ request: ScriptedService.Request, _ state: inout State) -> ScriptedService.Answer {
        let words = request.line.split(separator: " ")
        let path = words[1].split(separator: "?")[0].split(separator: "/").map(String.init)
        switch (words[0], path.count, path.last ?? "") {
        case ("GET", 3, server):
            let lock = state.lockedReason.map { "true, \"locked_reason\": \"\($0)\"" } ?? "false"
            let task = state.task.map { "\"\($0)\"" } ?? "null"
            return .say(
                200,
                """
                {"server": {"id": "\(server)", "status": "SHUTOFF", "locked": \(lock), "image": "",
                  "OS-EXT-STS:task_state": \(task),
                  "flavor": {"original_name": "tiny", "disk": 0}, "metadata": {}}}
                """
            )
        case ("GET", _, "os-volume_attachments"):
            let rows = (0..<state.volumes).map { position in
                let name = DeviceName(position: position)?.description ?? ""
                return #"{"device": "\#(name)", "volumeId": "v\#(position)", "delete_on_termination": false}"#
            }
            return .say(200, #"{"volumeAttachments": [\#(rows.joined(separator: ","))]}"#)
        case ("GET", _, "os-instance-actions"):
            let rows = state.actions.enumerated().map { #"{"action": "\#($1)", "request_id": "r\#($0)"}"# }
            return .say(200, #"{"instanceActions": [\#(rows.joined(separator: ","))]}"#)
        case ("POST", _, "action"):
            struct Action: Decodable {
                var lock: Lock?
                struct Lock: Decodable { var locked_reason: String }
            }
            let lock = (try? JSONDecoder().decode(Action.self, from: Data(request.body.utf8)))?.lock
            state.lockedReason = lock.map { state.lockedReason ?? $0.locked_reason }
            return .say(202, "")
        case ("GET", _, "p1"):
            let rows = state.room.map { #""\#($0)": {"limit": \#($1), "in_use": 0, "reserved": 0}"# }
            return .say(200, #"{"quota_set": {\#(rows.joined(separator: ","))}}"#)
        case ("GET", _, "detail") where path[1] == "snapshots":
            if Set(state.snapshots.values.map(\.volume)).count == state.volumes { state.looksUntilAvailable -= 1 }
            if state.looksUntilAvailable <= 0 {
                for id in state.snapshots.keys { state.snapshots[id]?.status = "available" }
            }
            return .say(200, #"{"snapshots": [\#(state.snapshots.map(row).joined(separator: ","))]}"#)
        case ("GET", _, "detail"), ("GET", _, "messages"): return .say(200, #"{"\#(path[1])": []}"#)
        case ("GET", _, "images"): return .say(200, #"{"images": []}"#)
        case ("GET", 3, let id) where path[1] == "volumes":
            return .say(
                200,
                #"{"volume": {"id": "\#(id)", "status": "in-use", "size": 1, "volume_type": "ssd", "metadata": {}}}"#
            )
        case ("POST", 2, "snapshots"):
            struct Wanted: Decodable {
                var snapshot: Row
                struct Row: Decodable {
                    var volume_id: String
                    var metadata: [String: String]
                }
            }
            guard let wanted = try? JSONDecoder().decode(Wanted.self, from: Data(request.body.utf8)).snapshot else {
                return .say(400, "{}")
            }
            let id = "s\(state.snapshots.count)"
            let made = Snapshot(volume: wanted.volume_id, metadata: wanted.metadata)
            state.snapshots[id] = made
            return .say(202, #"{"snapshot": \#(row(id, made))}"#)
        case ("GET", 3, let id) where path[1] == "snapshots":
            guard let found = state.snapshots[id] else { return .say(404, "{}") }
            return .say(200, #"{"snapshot": \#(row(id, found))}"#)
        case ("DELETE", 3, let id) where path[1] == "snapshots":
            return .say(state.snapshots.removeValue(forKey: id) == nil ? 404 : 202, "")
        default: return .say(404, "{}")
        }
    }

    private static func row(_ id: String, _ snapshot: Snapshot) -> String {
        let marks = snapshot.metadata.map { #""\#($0)": "\#($1)""# }.joined(separator: ",")
        return """
            {"id": "\(id)", "status": "\(snapshot.status)", "size": 1, "volume_id": "\(snapshot.volume)",
             "created_at": "t", "metadata": {\(marks)}}
            """
    }
}
