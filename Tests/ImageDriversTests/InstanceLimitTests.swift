import FoundationEssentials
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@Suite("An instance's description is bounded", .timeLimit(.minutes(30)))
struct InstanceLimitTests {
    @Test("an instance.json larger than 1 MiB is refused without being read")
    func size() async throws {
        let folder = try ScratchFolder()
        let instance = folder.file("instances/i-big")
        try FileManager.default.createDirectory(atPath: instance, withIntermediateDirectories: true)
        let driver = LocalDriver(root: folder.path, locations: [:], copyRate: nil, logger: testLogger)
        let text =
            #"{"id": "i-big", "owner": "acct-1", "status": "Stopped", "disks": ["#
            + #"{"device": "/dev/vda", "kind": "local", "file": "vda.raw", "format": "raw"}]}"#
        for size in [1 << 20, 1 << 20 + 1] {
            let padding = String(repeating: " ", count: size - text.utf8.count)
            #expect(folder.write(text + padding, to: "instances/i-big/instance.json"))
            var refusal = ""
            do throws(StepFailure) {
                _ = try await driver.describe(InstanceID(known: "i-big"), for: nil)
            } catch {
                refusal = error.message
            }
            // The sound one has no disk beside it, which may be reported.
            #expect(refusal.contains("sane size") == (size > 1 << 20), "\(refusal)")
        }
    }
}
