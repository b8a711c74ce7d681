import ImageCore
import Synchronization
import Testing

@testable import OpenStackClient
@testable import OpenStackDriver

@Suite("A capture asks little of a cloud, and the same thing only once", .timeLimit(.minutes(5)))
struct CaptureTests {
    private func failure(_ body: () async throws -> Void) async -> StepFailure? {
        do {
            try await body()
            return nil
        } catch { return error as? StepFailure }
    }

    private static let asksForSnapshot = "POST /volumev3/snapshots"

    @Test("eight volumes at once are awaited by one list, and share what they ask of the server")
    func together() async throws {
        let project = try await ScriptedProject(volumes: 8) { $0.looksUntilAvailable = 12 }
        let captures = try await withThrowingTaskGroup(of: Capture.self) { group in
            for position in 0..<8 { group.addTask { try await project.capture(position) } }
            return try await group.reduce(into: [Capture]()) { $0.append($1) }
        }
        #expect(Set(captures.map(\.device)).count == 8 && project.snapshots.count == 8)
        #expect(project.count(Self.asksForSnapshot) == 8)
        #expect(project.count("GET /volumev3/volumes/v") == 8)
        // Before the snapshots: a look for what is left of an earlier attempt, and a first look, each at most once a disk.
        #expect(project.count("GET /volumev3/snapshots/detail") <= 8 + 8 + 12)
        #expect(project.count("GET /volumev3/snapshots/s") == 0)
        let requests = project.service.requests.count
        print("eight volumes at once: \(requests) requests")
        #expect(requests <= 8 * 14 + 2 * 12)
        #expect(!project.isLocked)
    }

    @Test("all disks of an image are compared with a quota together, which is named, and nothing is made")
    func quota() async throws {
        let project = try await ScriptedProject(volumes: 3) { $0.room = ["snapshots": 10, "gigabytes_ssd": 2] }
        let devices = try (0..<3).map { try project.resource($0).0 }
        try await project.driver.checkDisks(Array(devices.prefix(2)), of: ScriptedProject.instance)
        let refusal = await failure { try await project.driver.checkDisks(devices, of: ScriptedProject.instance) }
        #expect(refusal?.code == .quotaExceeded && refusal?.disposition == .permanent)
        #expect(refusal?.message.contains("quota gigabytes_ssd has room for 2 of 3") == true)
        #expect(project.service.requests.allSatisfy { $0.line.hasPrefix("GET") })
        #expect(project.count("GET /volumev3/os-quota-sets") == 2)
    }

    @Test("a quota that another request used up meanwhile fails for good, by its name, and is asked for once")
    func overLimit() async throws {
        let project = try await ScriptedProject(volumes: 1) { state in
            state.room = ["snapshots_ssd": 1]
            state.instead = { request, state in
                guard request.line.hasPrefix(Self.asksForSnapshot) else { return nil }
                state.room = ["snapshots_ssd": 0]
                return .say(413, #"{"overLimit": {"message": "SnapshotLimitExceeded: Maximum number exceeded"}}"#)
            }
        }
        let refusal = await failure { try await project.capture() }
        #expect(refusal?.code == .quotaExceeded && refusal?.disposition == .permanent)
        #expect(refusal?.message.contains("quota snapshots_ssd") == true && refusal?.madeNothing == nil)
        #expect(project.count(Self.asksForSnapshot) == 1 && !project.isLocked)
    }

    @Test(
        "a refusal is not asked for again",
        arguments: [(403, ErrorCode.permissionDenied, true), (400, .failedPrecondition, true), (409, .conflict, false)]
    )
    func refused(_ status: Int, _ code: ErrorCode, _ isPermanent: Bool) async throws {
        let project = try await ScriptedProject(volumes: 1) { state in
            state.instead = { request, _ in
                request.line.hasPrefix(Self.asksForSnapshot) ? .say(status, "{}") : nil
            }
        }
        let refusal = await failure { try await project.capture() }
        #expect(refusal?.code == code && (refusal?.disposition == .permanent) == isPermanent)
        #expect(project.count(Self.asksForSnapshot) == 1 && !project.isLocked)
    }

    @Test("after a lost answer or 5xx, the snapshot is found by its marks, and not asked for again")
    func found() async throws {
        for answer in [ScriptedService.Answer.cut, .say(504, "")] {
            let project = try await ScriptedProject(volumes: 1) { state in
                state.afterwards = { $0.line.hasPrefix(Self.asksForSnapshot) ? answer : nil }
            }
            try await project.capture()
            #expect(project.count(Self.asksForSnapshot) == 1 && project.snapshots.count == 1)
        }
    }

    @Test("when there is none after a lost answer, the attempt fails and may be tried again")
    func missing() async throws {
        let project = try await ScriptedProject(volumes: 1) { state in
            state.instead = { request, _ in request.line.hasPrefix(Self.asksForSnapshot) ? .cut : nil }
        }
        let refusal = await failure { try await project.capture() }
        #expect(refusal?.disposition == .transient && refusal?.code == .unavailable)
        #expect(project.count(Self.asksForSnapshot) == 1 && !project.isLocked)
    }

    @Test("a lock and an unlock whose answers are lost are looked for, and the server is unlocked at the end")
    func locks() async throws {
        // The lock was done, and so was the first unlock.
        let done = try await ScriptedProject(volumes: 1) { state in
            state.afterwards = { $0.line.hasSuffix("/action") ? .cut : nil }
        }
        try await done.capture()
        #expect(done.count("POST /compute") == 2 && !done.isLocked)
        // The first unlock was not done.
        let isFirst = Mutex(true)
        let undone = try await ScriptedProject(volumes: 1) { state in
            state.instead = { request, _ in
                guard request.body.contains("unlock") else { return nil }
                return isFirst.withLock { isFirst in
                    defer { isFirst = false }
                    return isFirst ? .say(500, "{}") : nil
                }
            }
        }
        try await undone.capture()
        #expect(undone.count("POST /compute") == 3 && !undone.isLocked)
    }

    @Test("a server that was started meanwhile has no capture")
    func started() async throws {
        let project = try await ScriptedProject(volumes: 1) { state in
            state.instead = { request, state in
                if request.line.hasPrefix(Self.asksForSnapshot) { state.actions += ["start", "stop"] }
                return nil
            }
        }
        let refusal = await failure { try await project.capture() }
        #expect(refusal?.code == .failedPrecondition && refusal?.disposition == .permanent && !project.isLocked)
    }

    @Test(
        "a volume is captured beside Nova's own image of the local disk, and not beside a start",
        arguments: [("image_uploading", true), ("powering-on", false)]
    )
    func beside(_ task: String, _ isCaptured: Bool) async throws {
        let project = try await ScriptedProject(volumes: 1) { $0.task = task }
        let refusal = await failure { try await project.capture() }
        #expect((refusal == nil) == isCaptured && (project.snapshots.count == 1) == isCaptured)
    }

    @Test("what an earlier attempt left under the same name is deleted first")
    func leftover() async throws {
        let project = try await ScriptedProject(volumes: 1)
        try await project.capture()
        try await project.capture()
        #expect(project.snapshots.count == 1 && project.count("DELETE /volumev3/snapshots/") == 1)
    }

    @Test("a deletion that is refused while something is being done is asked for again", arguments: [400, 409])
    func deletion(_ status: Int) async throws {
        let refusals = Mutex(2)
        let project = try await ScriptedProject(volumes: 1) { state in
            state.instead = { request, state in
                guard request.line.hasPrefix("DELETE"), refusals.withLock({ $0 > 0 }) else { return nil }
                refusals.withLock { $0 -= 1 }
                for id in state.snapshots.keys { state.snapshots[id]?.status = "creating" }
                return .say(status, "{}")
            }
        }
        try await project.capture()
        let (_, resource) = try project.resource(0)
        try await project.driver.delete(resource)
        #expect(project.snapshots.isEmpty && project.count("DELETE") == 3)
    }
}
