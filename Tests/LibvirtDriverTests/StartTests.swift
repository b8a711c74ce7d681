import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import LibvirtClient
import Subprocess
import Synchronization
import Testing

@Suite(
    "A domain is not started over a capture",
    .enabled(if: TestLibvirt.isPossible, needsHost),
    .serialized,
    .timeLimit(.minutes(30))
)
struct StartTests {
    /// Slow enough to be interrupted.
    private static let rate: Int64 = 64 << 10

    @Test("a start is refused while a disk is captured, and works at once when the capture is cancelled")
    func cancelled() async throws {
        let scratch = try await LibvirtScratch(copyRate: Self.rate)
        try await scratch.define("web1", LibvirtScratch.disk(try await scratch.makeDisk("web1.qcow2"), "vda"))
        let (signals, begun) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingOldest(1))
        let capture = Task {
            try await scratch.captureSystem("web1") { if $0.totalBytes > 0 { begun.yield() } }
        }
        for await _ in signals { break }
        let isOver = Mutex(false)
        async let seen = Self.statuses(of: "web1", in: scratch) { isOver.withLock { $0 } }
        let refused = await #expect(throws: ConformanceFailure.self) {
            try await scratch.libvirt.virsh(["start", "web1"])
        }
        isOver.withLock { $0 = true }
        // Not in libvirt's answer: QEMU's words come by way of virtlogd, and may come later than the refusal.
        let log = scratch.libvirt.path("log", "qemu", "web1.log")
        let isByTheLock = await eventually {
            (try? String(contentsOfFile: log, encoding: .utf8))?.contains("\"write\" lock") == true
        }
        #expect(isByTheLock, "\(refused?.description ?? "it was started")")
        // Not Paused: the capture that refuses the start must not end for it.
        #expect(try await seen.isSubset(of: [.stopped, .other("Starting")]))
        #expect(try await scratch.describe("web1").status == .stopped)
        capture.cancel()
        _ = await capture.result
        try await scratch.libvirt.virsh(["start", "web1"])
    }

    /// What a domain is seen to be, again and again.
    private static func statuses(
        of id: String,
        in scratch: LibvirtScratch,
        until isOver: @Sendable () -> Bool
    ) async throws -> Set<InstanceStatus> {
        var seen: Set<InstanceStatus> = []
        repeat { seen.insert(try await scratch.describe(id).status) } while !isOver()
        return seen
    }

    @Test("a start works at once when the worker is killed")
    func killed() async throws {
        let scratch = try await LibvirtScratch(copyRate: Self.rate)
        try await scratch.define("web1", LibvirtScratch.disk(try await scratch.makeDisk("web1.qcow2"), "vda"))
        // This program again, as the worker.
        let worker = try Worker(for: scratch.libvirt.root)
        defer { worker.kill() }
        let isRefused = await eventually {
            FileManager.default.fileExists(atPath: scratch.libvirt.path("capturing"))
        }
        #expect(isRefused, "\(worker.log)")
        await #expect(throws: ConformanceFailure.self) { try await scratch.libvirt.virsh(["start", "web1"]) }
        worker.kill()
        // Its qemu-img ends with it, a moment later.
        let isStarted = await eventually { (try? await scratch.libvirt.virsh(["start", "web1"])) != nil }
        #expect(isStarted)
        #expect(try await scratch.describe("web1").status == .running)
    }

    /// Not a test: what `killed` runs in another process.
    @Test(.enabled(if: Worker.root != nil, "only for another test"))
    func workerThatIsKilled() async throws {
        let root = try known(Worker.root)
        let host = LibvirtHost(uri: "qemu+unix:///system?socket=\(root)/run/libvirt-sock")
        let driver = LibvirtScratch.driver(at: root, host, copyRate: Self.rate)
        _ = try await driver.capture(
            .system,
            of: try known(InstanceID("web1")),
            into: try resource(.imageFile, "vda"),
            progress: { report in
                if report.totalBytes > 0 {
                    _ = FileManager.default.createFile(atPath: root + "/capturing", contents: nil)
                }
            }
        )
    }

    @Test("a disk that is written when the capture begins is refused, and so is one whose domain runs")
    func written() async throws {
        let scratch = try await LibvirtScratch()
        let path = try await scratch.makeDisk("web1.qcow2")
        try await scratch.define("web1", LibvirtScratch.disk(path, "vda"))
        let failure = try await withWriter(of: path, format: "qcow2") {
            try await refusal { try await scratch.captureSystem("web1") }
        }
        #expect(failure.message.contains("is being written"))
        try await scratch.libvirt.virsh(["start", "web1"])
        let running = try await refusal { try await scratch.captureSystem("web1") }
        #expect(running.message.contains("is Running"))
        #expect(try await scratch.driver.inventory().isEmpty)
    }

    @Test("a disk that is exchanged during the copy is found out")
    func exchanged() async throws {
        let scratch = try await LibvirtScratch()
        let (first, second) = (try await scratch.makeDisk("a.qcow2"), try await scratch.makeDisk("b.qcow2"))
        try await scratch.define("web1", LibvirtScratch.disk(first, "vda"))
        let isDone = Mutex(false)
        let failure = try await refusal {
            try await scratch.captureSystem("web1") { report in
                guard report.totalBytes > 0,
                    isDone.withLock({ done in
                        defer { done = true }; return !done
                    })
                else { return }
                try? scratch.libvirt.virshNow(["detach-disk", "web1", "vda", "--config"])
                try? scratch.libvirt.virshNow([
                    "attach-disk", "web1", second, "vda", "--config", "--subdriver", "qcow2",
                ])
            }
        }
        #expect(failure.message.contains("changed for another disk"))
    }
}

/// This test program in another process, which captures a disk until it is killed.
private final class Worker: Sendable {
    private let process: Foundation.Process
    private let path: String

    static let root = ProcessInfo.processInfo.environment["GOLDSMITH_TEST_LIBVIRT_ROOT"]

    init(for root: String) throws {
        path = root + "/log/worker.log"
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        process = Foundation.Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = ["--testing-library", "swift-testing", "--filter", "StartTests/workerThatIsKilled"]
        process.environment = ProcessInfo.processInfo.environment.merging(["GOLDSMITH_TEST_LIBVIRT_ROOT": root]) { $1 }
        process.standardOutput = FileHandle(forWritingAtPath: path)
        process.standardError = process.standardOutput
        try process.run()
    }

    var log: String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }

    func kill() {
        guard process.isRunning else { return }
        Glibc.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}
