import Foundation
import GoldsmithTestSupport
import ImageCore
import Testing

@testable import ImageDrivers

/// What no look needs a whole start of libguestfs for.
@Suite("A look into a guest has limits", .serialized, .timeLimit(.minutes(30)))
final class InspectorTests: Sendable {
    private let scratch: DriverScratch
    /// The folder for inspections; short, because it holds sockets.
    private let workplace: String

    init() async throws {
        scratch = try DriverScratch()
        workplace = "/dev/shm/gg-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: workplace, withIntermediateDirectories: true)
        try await scratch.makeDisk("i-1", "vda.qcow2", mebibytes: 1)
        try scratch.describe("i-1", disks: [.init("/dev/vda", kind: "local", file: "vda.qcow2")])
    }

    deinit { try? FileManager.default.removeItem(atPath: workplace) }

    private func look(_ inspector: GuestInspector?) async throws -> GuestInspection {
        try await GuestDisks.driver(at: scratch.root, inspector).inspectGuest(of: try #require(InstanceID("i-1")))
    }

    private func reason(_ inspection: GuestInspection) -> String {
        guard case .notChecked(let reason, _, _) = inspection else { return "\(inspection)" }
        return reason
    }

    /// Everything that belongs to a look has the folder it works in somewhere in its command line.
    private func leftovers() throws -> [String] {
        try processes(mentioning: workplace) + FileManager.default.contentsOfDirectory(atPath: workplace)
    }

    /// The command line of the QEMU that boots, not of those that are asked what they can do.
    private static func bootingQEMU(_ workplace: String) -> String? {
        processes(mentioning: workplace).lazy.compactMap { process in
            FileManager.default.contents(atPath: "/proc/\(process)/cmdline").map { String(decoding: $0, as: UTF8.self) }
        }.first { $0.contains("qemu-system") && $0.contains("panic=1") }
    }

    /// A program in the scratch folder that stands in for ours.
    private func script(_ text: String) throws -> String {
        let path = scratch.path("program")
        try Data("#!/bin/sh\n\(text)\n".utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        return path
    }

    @Test("a look that is cancelled while its QEMU runs leaves no process and no folder; the QEMU has no network")
    func cancelled() async throws {
        let inspector = GuestInspector(program: GuestDisks.program, workplace: workplace)
        let looking = Task { try await look(inspector) }
        #expect(await eventually(within: .seconds(120)) { InspectorTests.bootingQEMU(workplace) != nil })
        let commandLine = InspectorTests.bootingQEMU(workplace) ?? ""
        #expect(!commandLine.contains("-netdev") && !commandLine.contains("virtio-net"), "\(commandLine)")
        looking.cancel()
        let failure = await #expect(throws: StepFailure.self) { _ = try await looking.value }
        #expect(failure?.code == .cancelled && failure?.disposition == .throttled)
        try await becomesTrue { try leftovers().isEmpty }
    }

    @Test("a worker that is killed leaves no QEMU behind")
    func killedWorker() async throws {
        // Only a killed worker cannot remove its folders; this suite does.
        let (root, place) = (scratch.root, workplace)
        await #expect(processExitsWith: .signal(SIGKILL)) { [root = root as String, place = place as String] in
            let driver = GuestDisks.driver(at: root, GuestInspector(program: GuestDisks.program, workplace: place))
            let id = try #require(InstanceID("i-1"))
            let looking = Task { try await driver.inspectGuest(of: id) }
            guard await eventually(within: .seconds(120), { InspectorTests.bootingQEMU(place) != nil }) else { return }
            kill(getpid(), SIGKILL)
            _ = try await looking.value
        }
        try await becomesTrue { processes(mentioning: place).isEmpty }
    }

    @Test("a look that takes too long is not checked, may be tried again, and leaves nothing")
    func timeLimit() async throws {
        let inspector = GuestInspector(program: GuestDisks.program, timeLimit: .seconds(3), workplace: workplace)
        let inspection = try await look(inspector)
        #expect(reason(inspection).contains("too long") && inspection.mayPass)
        try await becomesTrue { try leftovers().isEmpty }
    }

    @Test("without libguestfs the finding says so")
    func noLibrary() async throws {
        // Found before the real one, and no library: this needs no right to mount anything over that.
        try Data().write(to: URL(fileURLWithPath: scratch.path("libguestfs.so.0")))
        let program = try script("LD_LIBRARY_PATH=\(scratch.root) exec \(GuestDisks.program) \"$@\"")
        let inspection = try await look(GuestInspector(program: program))
        #expect(reason(inspection).contains("libguestfs is not installed"), "\(inspection)")
        #expect(!inspection.mayPass)
        #expect(inspection.findings.map(\.severity) == [.notChecked])
    }

    @Test(
        "a child that says nothing, nonsense or too much, or dies, is not checked",
        arguments: [
            "exit 0", "echo '{\"outcome\": \"seen\"}'", "head -c 4000000 /dev/zero", "echo /srv/secret >&2; exit 3",
            "kill -9 $$",
        ]
    )
    func badChild(text: String) async throws {
        let inspection = try await look(GuestInspector(program: try script(text)))
        #expect(reason(inspection).contains("the process that looks into it failed"), "\(inspection)")
        #expect(!reason(inspection).contains("/srv"), "what it said is for the log: \(inspection)")
        #expect(inspection.mayPass)
    }

    @Test(
        "a failure says by its kind whether another try may help",
        arguments: [
            (EROFS, false), (EPERM, false), (ENOSPC, false), (EUCLEAN, false), (EOPNOTSUPP, false), (EIO, true),
        ]
    )
    func failures(code: CInt, mayPass: Bool) throws {
        let failure = GuestFailure(errno: code)
        let report = GuestVisit.Report(outcome: .failed, failure: failure, reason: "open: /etc/fstab: no")
        let inspection = try GuestInspector.inspection(Array(JSONEncoder().encode(report)))
        #expect(inspection.mayPass == mayPass && reason(inspection).contains("/etc/fstab: no"))
        #expect(inspection.findings.first?.advice == failure.advice)
    }

    @Test("a child that takes more memory than it may is not checked")
    func memory() async throws {
        let program = try script("tail -c 7000000000 /dev/zero >/dev/null || exit 4")
        #expect(reason(try await look(GuestInspector(program: program))).contains("failed"))
    }

    @Test("what a child has started ends with it")
    func group() async throws {
        let program = try script("sleep 4243 >/dev/null 2>&1 & echo nothing")
        _ = try await look(GuestInspector(program: program))
        try await becomesTrue { processes(mentioning: "4243").isEmpty }
    }

    @Test("a worker that does not look says so, and fixes nothing")
    func switchedOff() async throws {
        let inspection = try await look(nil)
        #expect(reason(inspection).contains("guestInspection"))
        let image = try #require(ImageID("img-1"))
        let resource = Resource(id: ResourceID(image: image, part: "vda", fence: 1), kind: .imageFile, imageID: image)
        for work in [GuestWork(fixes: true), GuestWork(findsSecrets: true, requiresLook: true)] {
            let failure = await #expect(throws: StepFailure.self) {
                _ = try await GuestDisks.driver(at: scratch.root, nil)
                    .capture(.system, of: try #require(InstanceID("i-1")), into: resource, guestWork: work) { _ in }
            }
            #expect(failure?.code == .failedPrecondition && failure?.disposition == .permanent)
            #expect(failure?.message.contains("guestInspection") == true, "nothing was copied for it")
        }
    }
}
