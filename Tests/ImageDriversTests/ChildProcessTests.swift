import Foundation
import GoldsmithTestSupport
import ImageCore
import Testing

@testable import ImageDrivers

@Suite("A child process never outlives its worker", .timeLimit(.minutes(30)))
struct ChildProcessTests {
    @Test("a worker that is killed leaves no qemu-img behind")
    func killedWorker() async throws {
        let scratch = try DriverScratch()
        try await scratch.makeDisk("i-1", "vda.qcow2")
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda.qcow2")])
        let root = scratch.root
        await #expect(processExitsWith: .signal(SIGKILL)) { [root = root as String] in
            let driver = DriverScratch.driver(at: root, copyRate: 1024)
            let id = try known(InstanceID("i-1"))
            _ = try await driver.capture(.system, of: id, into: try known(resource("img-1", .imageFile, "vda"))) { _ in
                // The copy runs, and takes an hour at this rate.
                guard !processes(mentioning: root + "/images").isEmpty else { return }
                try? Data("seen".utf8).write(to: URL(fileURLWithPath: root + "/seen"))
                kill(getpid(), SIGKILL)
            }
        }
        #expect(FileManager.default.fileExists(atPath: root + "/seen"))
        try await becomesTrue { processes(mentioning: root + "/images").isEmpty }
    }

    @Test("a cancelled capture has ended its qemu-img by the time it returns")
    func cancelled() async throws {
        let scratch = try DriverScratch(copyRate: 1024)
        try await scratch.makeDisk("i-1", "vda.qcow2")
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda.qcow2")])
        let (signals, begun) = AsyncStream<Void>.makeStream()
        let capture = Task { try await scratch.captureSystem("i-1") { _ in begun.yield() } }
        for await _ in signals { break }
        #expect(!processes(mentioning: scratch.path("images")).isEmpty)
        capture.cancel()
        let failure = try await refusal { _ = try await capture.value }
        #expect(failure.code == .cancelled)
        #expect(processes(mentioning: scratch.path("images")).isEmpty)
    }

    @Test("a cancelled replication stops between two chunks, and leaves no manifest")
    func cancelledReplication() async throws {
        let scratch = try DriverScratch()
        try await scratch.makeDisk("i-1", "vda.qcow2", mebibytes: 16)
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda.qcow2")])
        let capture = try await scratch.captureSystem("i-1")
        let slow = DriverScratch.driver(at: scratch.root, copyRate: 1024)
        let replica = try known(resource("img-1", .replica, "east", location: "east"))
        let (signals, begun) = AsyncStream<Void>.makeStream()
        let copy = Task {
            try await slow.replicate([capture], manifest: [1], into: replica) { _ in begun.yield() }
        }
        for await _ in signals { break }
        let cancelledAt = ContinuousClock.now
        copy.cancel()
        let failure = try await refusal { _ = try await copy.value }
        #expect(failure.code == .cancelled && failure.disposition == .throttled)
        #expect(ContinuousClock.now - cancelledAt < .seconds(5))
        let folder = scratch.path("locations", "east", replica.id.text)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["vda.qcow2.partial"])
        try await slow.delete(replica)
        #expect(try await slow.inventory() == [capture.resource])
    }

    @Test("a child that takes too long is killed")
    func timeLimit() async throws {
        let child = ChildProcess(program: "/usr/bin/sleep", arguments: ["4242"], timeLimit: .milliseconds(200))
        await #expect(throws: ChildFailure(kind: .timedOut, text: "no answer within 0.2 seconds")) {
            _ = try await child.run()
        }
        #expect(processes(mentioning: "4242").isEmpty)
    }

    @Test("a program that is not there is said to be missing")
    func missingProgram() async throws {
        let scratch = try DriverScratch()
        try await scratch.makeDisk("i-1", "vda")
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda")])
        let driver = DriverScratch.driver(at: scratch.root, qemuImg: "/nowhere/qemu-img")
        let failure = try await refusal { _ = try await driver.describe(try known(InstanceID("i-1"))) }
        #expect(failure.disposition == .throttled && failure.message.contains("could not be started"))
    }

    @Test("a flood of output neither blocks the child nor fills the memory")
    func flood() async throws {
        let child = ChildProcess(
            program: "/usr/bin/head",
            arguments: ["-c", "8388608", "/dev/zero"],
            timeLimit: .seconds(30)
        )
        let output = try await child.run()
        #expect(output.exitCode == 0)
        #expect(output.standardOutput.count == ChildProcess.outputLimit + 1)
    }

    @Test(
        "text from outside is made fit for a sentence",
        arguments: [
            ("plain", "plain"), ("a\n\tb\r\n", "a b"), ("\u{1b}[31mred\u{7}", "[31mred"), ("  x  ", "x"), ("", ""),
            ("\u{202e}evil", "evil"), (String(repeating: "y", count: 400), String(repeating: "y", count: 300) + "…"),
        ]
    )
    func plainText(text: String, wanted: String) {
        #expect(PlainText.sentence(text) == wanted)
    }
}
