import Foundation
import GoldsmithTestSupport
import Testing

@Suite(
    "The built program on a libvirt host",
    .enabled(if: TestLibvirt.isPossible, "\(TestLibvirt.obstacle ?? "")"),
    .timeLimit(.minutes(30))
)
struct LibvirtTests {
    private struct Listed: Decodable {
        var id: String
        var status: String
    }
    private struct Launched: Decodable { var instanceId: String }

    @Test("a host's domain becomes an image, and the image a domain that starts")
    func domains() async throws {
        let scratch = try await LibvirtScratch()
        let (system, data) = (try await scratch.makeDisk("web1.qcow2"), try await scratch.makeDisk("data.qcow2"))
        let disks = LibvirtScratch.disk(system, "vda") + LibvirtScratch.disk(data, "vdb")
        try await scratch.define("web1", disks, owner: nil)
        try await scratch.define("other", LibvirtScratch.disk(try await scratch.makeDisk("other.qcow2"), "vda"))
        let settings = [
            "GOLDSMITH_DRIVER": "libvirt", "GOLDSMITH_LIBVIRT_URI": scratch.libvirt.uri,
            "GOLDSMITH_LIBVIRT_DISKS": scratch.libvirt.root + "/disks",
        ]
        try await Dev.with(environment: settings) { dev in
            func run(_ arguments: [String]) async throws -> Program.Result {
                try await Program.run(arguments + ["--data", dev.data], environment: settings)
            }
            let list = try await run(["instance", "list", "--json"])
            let found = try JSONDecoder().decode([Listed].self, from: Data(list.output.utf8))
            #expect(Set(found.map(\.id)) == ["web1", "other"] && found.allSatisfy { $0.status == "Stopped" })

            let create = ["image", "create", "--name", "web-golden", "--all-data-disks", "--wait", "--json"]
            let foreign = try await run(create + ["--instance", "other"])
            #expect(foreign.code == 3, "another owner's domain: \(foreign.complaint)")
            let made = try await run(create + ["--instance", "web1"])
            try #require(made.code == 0, "\(made.complaint)")
            let image = try JSONDecoder().decode(ShownImage.self, from: Data(made.output.utf8))
            #expect(image.status == "Available" && image.deviceMapping.map(\.device) == ["/dev/vda", "/dev/vdb"])
            #expect(dev.leftovers == image.owned)

            let launch = try await run([
                "instance", "launch", "--image", image.id, "--name", "web2", "--wait", "--json",
            ])
            try #require(launch.code == 0, "\(launch.complaint)")
            let instance = try JSONDecoder().decode(Launched.self, from: Data(launch.output.utf8)).instanceId
            #expect(instance == "web2")
            try await scratch.libvirt.virsh(["start", "web2"])
            try await scratch.libvirt.virsh(["start", "web1"])

            let running = try await run(create + ["--instance", "web1"])
            #expect(running.code == 4 && running.complaint.contains("web1 is Running"), "\(running.complaint)")
            let adopt = try await run(["instance", "adopt", "other", "--owner", "local"])
            #expect(adopt.code == 0, "\(adopt.complaint)")
            #expect(try await run(create + ["--instance", "other"]).code == 0)
        }
    }
}
