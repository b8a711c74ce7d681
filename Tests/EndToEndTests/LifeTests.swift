import FoundationEssentials
import GoldsmithTestSupport
import Testing

@Suite("The whole life of an image on the command line", .serialized, .timeLimit(.minutes(30)))
struct LifeTests {
    @Test("an image is rehearsed, made, shared, launched from, converted, and deleted without a trace")
    func life() async throws {
        try await Dev.with(workers: 2) { dev in
            _ = try await dev.run("instance", "sample", "--id", "i-web", "--data-disks", "2", "--mib", "16")
            let create = ["image", "create", "--instance", "i-web", "--name", "golden", "--all-data-disks"]
            let rehearsal = try await dev.does(create + ["--dry-run"])
            #expect(rehearsal.contains("nothing was made") && rehearsal.contains("/dev/vdc"))
            #expect(dev.leftovers.isEmpty)
            try await dev.does(create + ["--wait"])
            let id = try #require(try await dev.json([ShownImage].self, "image", "list").first?.id)

            // Shared: others launch and may not do more.
            try await dev.does(["image", "share", id, "--with", "acct-7"])
            try await dev.does(["instance", "launch", "--image", id, "--owner", "acct-7", "--wait"])
            try await dev.refuses(["image", "share", id, "--with", "acct-8", "--owner", "acct-7"], 3, "NOT_FOUND")
            try await dev.refuses(["image", "delete", id, "--confirm"], 4, "shared with acct-7")
            try await dev.does(["image", "unshare", id, "--with", "acct-7"])
            try await dev.refuses(["instance", "launch", "--image", id, "--owner", "acct-7"], 3, "NOT_FOUND")

            // Proven: what a machine shows is for other tests; this one has none.
            try await dev.refuses(["image", "prove", id, "--location", "nowhere"], 3, "no replica at nowhere")
            try await dev.refuses(["image", "prove", id, "--owner", "acct-7", "--wait"], 3, "NOT_FOUND")

            // Launched: the disks are the image's, under the names the rules give them.
            let launch = ["instance", "launch", "--image", id, "--leave-out", "/dev/vdb", "--add-disk", "1"]
            let names = try await dev.does(launch + ["--dry-run"])
            #expect(names.contains("/dev/vdb  cloud  1 GiB") && names.contains("/dev/vdc  cloud"))
            let launched = try await dev.does(launch + ["--wait", "--json"])
            let instance = try JSONDecoder().decode(Launched.self, from: Data(launched.utf8))
            for name in ["vda", "vdc"] {
                try await dev.expectSameDisk(name, "i-web", instance.instanceId)
            }
            try await dev.refuses(["image", "delete", id, "--confirm"], 4, "instances launched from it exist")

            // Converted: a new image whose system disk is a snapshot, and whose data disks are the same.
            try await dev.does(["image", "convert", id, "--name", "cloud", "--wait"])
            let copy = try #require(try await dev.json([ShownImage].self, "image", "list", "--name", "cloud").first)
            let source = try await dev.json(ShownImage.self, "image", "show", id)
            #expect(copy.deviceMapping.map(\.sha256) == source.deviceMapping.map(\.sha256))
            #expect(copy.deviceMapping.dropFirst().map(\.resource) == source.deviceMapping.dropFirst().map(\.resource))
            #expect(copy.deviceMapping[0].resource != source.deviceMapping[0].resource)

            // Deleted: what both use goes with the last of them.
            for one in try await dev.json([ShownInstance].self, "instance", "list") where one.id != "i-web" {
                try FileManager.default.removeItem(atPath: "\(dev.data)/instances/\(one.id)")
            }
            try await dev.refuses(["image", "delete", id], 2, "--confirm")
            try await dev.does(["image", "delete", id, "--confirm", "--delete-snapshots", "--wait"])
            #expect(dev.leftovers.count { $0.hasPrefix("snapshots/") } == 3)
            try await dev.does(["image", "delete", copy.id, "--confirm", "--delete-snapshots", "--wait"])
            #expect(await eventually { dev.leftovers.isEmpty })
            #expect(
                await eventually {
                    (try? await dev.json(ShownQuota.self, "quota", "show"))?.used == .init(images: 0, snapshots: 0)
                }
            )
            #expect(try await dev.json([ShownImage].self, "image", "list").isEmpty)
            #expect(try await dev.json([ShownImage].self, "image", "list", "--status", "Deleted").count == 2)
        }
    }

    @Test("an image in Error is retried under its id, and its history tells of both tries")
    func retry() async throws {
        try await Dev.with(workers: 1, copyRate: 2) { dev in
            _ = try await dev.run("instance", "sample", "--id", "i-web", "--data-disks", "1", "--mib", "32")
            try await dev.does(["image", "create", "--instance", "i-web", "--name", "golden", "--all-data-disks"])
            let id = try #require(try await dev.json([ShownImage].self, "image", "list").first?.id)
            let isCopying = await eventually {
                let image = try? await dev.json(ShownImage.self, "image", "show", id)
                return image?.jobs.contains { ($0.doneBytes ?? 0) > 0 } == true
            }
            #expect(isCopying)
            try await dev.refuses(["image", "retry", id], 4, "being made already")
            try await dev.does(["image", "cancel", id])
            try await dev.does(["image", "retry", id, "--wait"])
            let shown = try await dev.json(ShownImage.self, "image", "show", id)
            #expect(shown.status == "Available")
            // What the first try made is deleted on its own time.
            #expect(await eventually { dev.leftovers == shown.owned })
            let history = try await dev.does(["image", "show", id, "--history"])
            #expect(history.contains("image.error") && history.contains("tried again"))
            try await dev.refuses(["image", "retry", id], 4, "only an image in Error")
        }
    }
}

private struct Launched: Decodable { var instanceId: String }

extension Dev {
    /// Runs a command that must end well.
    @discardableResult
    fileprivate func does(_ arguments: [String]) async throws -> String {
        let result = try await Program.run(arguments + ["--data", data])
        #expect(result.code == 0, "\(arguments): \(result.complaint)")
        return result.output
    }

    /// Runs a command that must be refused.
    fileprivate func refuses(_ arguments: [String], _ code: Int32, _ sentence: String) async throws {
        let result = try await Program.run(arguments + ["--data", data])
        #expect(result.code == code, "\(arguments): \(result.code) \(result.output)")
        #expect(result.complaint.contains(sentence), "\(arguments): \(result.complaint)")
    }

    fileprivate func expectSameDisk(_ name: String, _ first: String, _ second: String) async throws {
        let paths = [first, second].map { "\(data)/instances/\($0)/\(name).qcow2" }
        try await DriverScratch.run("/usr/bin/qemu-img", ["compare", "-f", "qcow2", "-F", "qcow2"] + paths)
    }
}
