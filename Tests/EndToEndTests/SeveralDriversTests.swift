import Foundation
import GoldsmithTestSupport
import Testing

@Suite("The built program with several drivers at once", .timeLimit(.minutes(30)))
struct SeveralDriversTests {
    private struct Listed: Decodable {
        var id: String
        var status: String
    }
    private struct Launched: Decodable { var instanceId: String }

    @Test("an image of one driver is replicated to another, launched there, and deleted with all that was made")
    func replicated() async throws {
        let settings = [
            "GOLDSMITH_DRIVERS": "lab=local,far=local,sim=simulated",
            "GOLDSMITH_LOCATIONS": "lab/east,far/west,sim/moon",
        ]
        try await Dev.with(workers: 2, environment: settings) { dev in
            let far = dev.data + "/drivers/far"
            func found(_ folder: String) -> [String] {
                ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { !$0.hasPrefix(".") }
            }
            for id in ["lab/web1", "far/web1"] {
                let sample = try await dev.run("instance", "sample", "--id", id, "--data-disks", "1", "--mib", "8")
                try #require(sample.code == 0, "\(sample.complaint)")
            }
            let listed = try await dev.json([Listed].self, "instance", "list")
            #expect(listed.map(\.id) == ["far/web1", "lab/web1"] && listed.allSatisfy { $0.status == "Stopped" })

            let create = ["image", "create", "--name", "web-golden", "--all-data-disks", "--json"]
            func refused(_ more: String...) async throws -> String {
                let answer = try await dev.run(create + more)
                #expect(answer.code != 0, "\(answer.output)")
                return answer.output + answer.complaint
            }
            #expect(try await refused("--instance", "web1").contains("write lab/web1, or far/web1"))
            #expect(try await refused("--instance", "cloud/web1").contains("there is no driver cloud"))
            let noBytes = try await refused("--instance", "lab/web1", "--replicate-to", "moon")
            #expect(noBytes.contains("location moon takes no image of driver lab"), "\(noBytes)")

            let made = try await dev.run(
                create + ["--instance", "lab/web1", "--replicate-to", "east", "--replicate-to", "west", "--wait"]
            )
            try #require(made.code == 0, "\(made.complaint)")
            let image = try JSONDecoder().decode(ShownImage.self, from: Data(made.output.utf8))
            #expect(image.status == "Available" && image.replicas.map(\.location) == ["east", "west"])
            #expect(found(far + "/locations/west") == [image.replicas[1].resource.id])
            #expect(found(far + "/images").isEmpty && found(dev.data + "/images").count == 1)

            let launch = try await dev.run([
                "instance", "launch", "--image", image.id, "--name", "far/web2", "--wait", "--json",
            ])
            try #require(launch.code == 0, "\(launch.complaint)")
            let launched = try JSONDecoder().decode(Launched.self, from: Data(launch.output.utf8))
            #expect(launched.instanceId == "far/web2" && found(far + "/instances").sorted() == ["web1", "web2"])
            for disk in ["vda", "vdb"] {
                try await DriverScratch.run(
                    "/usr/bin/qemu-img",
                    [
                        "compare", "-f", "qcow2", "-F", "qcow2", "\(dev.data)/instances/web1/\(disk).qcow2",
                        "\(far)/instances/web2/\(disk).qcow2",
                    ]
                )
            }
            let shown = try await dev.run("instance", "show", "far/web2")
            #expect(shown.code == 0 && shown.output.contains("far/web2"), "\(shown.complaint)")
            let mismatch = try await dev.run([
                "instance", "launch", "--image", image.id, "--name", "lab/web3", "--location", "west",
            ])
            #expect(mismatch.code != 0 && mismatch.complaint.contains("would belong to driver lab"), "\(mismatch)")

            try FileManager.default.removeItem(atPath: far + "/instances/web2")
            let deleted = try await dev.run([
                "image", "delete", image.id, "--confirm", "--delete-snapshots", "--wait",
            ])
            #expect(deleted.code == 0, "\(deleted.complaint)")
            let isGone = await eventually {
                found(far + "/locations/west").isEmpty && found(dev.data + "/locations/east").isEmpty
                    && found(dev.data + "/images").isEmpty && found(dev.data + "/snapshots").isEmpty
            }
            if !isGone { Issue.record("\(await dev.story(of: image.id))") }
        }
    }
}
