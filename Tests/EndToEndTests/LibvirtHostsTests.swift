import FoundationEssentials
import GoldsmithTestSupport
import Testing

@Suite(
    "The built program on two libvirt hosts",
    .enabled(if: TestLibvirt.isPossible, "\(TestLibvirt.obstacle ?? "")"),
    .timeLimit(.minutes(30))
)
struct LibvirtHostsTests {
    private struct Listed: Decodable {
        var id: String
        var host: String?
    }
    private struct Asked: Decodable { var imageId: String }
    private struct Shown: Decodable {
        struct Line: Decodable {
            var attempt: Int
            var waitingFor: String?
            var host: String?
            var job: String
        }
        var status: String
        var jobs: [Line]
    }

    @Test("an instance of each host becomes an image by that host's worker, and waits for it without an attempt")
    func hosts() async throws {
        let (first, second) = (try await LibvirtScratch(), try await LibvirtScratch())
        for (name, scratch) in [("web1", first), ("web2", second)] {
            let disk = LibvirtScratch.disk(try await scratch.makeDisk(name + ".qcow2"), "vda")
            try await scratch.define(name, disk, owner: nil)
        }
        let hosts = ["GOLDSMITH_LIBVIRT_HOSTS": "h1=\(first.libvirt.uri),h2=\(second.libvirt.uri)"]
        // The worker of `dev` is on h1.
        let settings = hosts.merging([
            "GOLDSMITH_DRIVER": "libvirt", "GOLDSMITH_LIBVIRT_DISKS": first.libvirt.root + "/disks",
            "GOLDSMITH_LOCATIONS": "east,west@h2",
        ]) { $1 }
        try await Dev.with(workers: 1, environment: settings) { dev in
            func show(_ id: String) async throws -> Shown { try await dev.json(Shown.self, "image", "show", id) }

            let listed = try await dev.json([Listed].self, "instance", "list")
            #expect(listed.map(\.id) == ["web1", "web2"] && listed.map(\.host) == ["h1", "h2"])
            let table = try await dev.run("instance", "list").output
            #expect(table.contains("HOST") && table.contains("h2"), "\(table)")
            let doctor = try await dev.run("doctor", "--quick").output
            #expect(doctor.contains("libvirt of h1: ") && doctor.contains("libvirt of h2: "), "\(doctor)")

            let create = ["image", "create", "--replicate-to", "east", "--instance"]
            let reply = try await dev.run(create + ["web2", "--name", "two", "--json"])
            let asked = try JSONDecoder().decode(Asked.self, from: Data(reply.output.utf8))
            let made = try await dev.run(create + ["web1", "--name", "one", "--wait"])
            #expect(made.code == 0, "h1 goes on: \(made.complaint)")
            let isTold = try await eventually {
                try await show(asked.imageId).jobs.first?.waitingFor?.contains("host h2") == true
            }
            if !isTold { Issue.record("\(await dev.story(of: asked.imageId))") }
            let waiting = try await show(asked.imageId)
            #expect(waiting.status == "Pending" && waiting.jobs.map(\.host) == ["h2"])
            #expect(waiting.jobs.map(\.attempt) == [1])

            try await dev.withWorker(on: "h2", ["GOLDSMITH_LIBVIRT_DISKS": second.libvirt.root + "/disks"]) {
                let isMade = try await eventually { try await show(asked.imageId).status == "Available" }
                if !isMade { Issue.record("\(await dev.story(of: asked.imageId))") }

                let pulled = try await dev.json(
                    Asked.self,
                    "image",
                    "create",
                    "--instance",
                    "web1",
                    "--name",
                    "three",
                    "--replicate-to",
                    "west"
                )
                let isPulled = try await eventually { try await show(pulled.imageId).status == "Available" }
                if !isPulled { Issue.record("\(await dev.story(of: pulled.imageId))") }
                let hosts = try await show(pulled.imageId).jobs.map { "\($0.job) \($0.host ?? "")" }
                #expect(hosts == ["stop-check h1", "system-disk h1", "replicate:west h2"])
                let launch = try await dev.run(
                    ["instance", "launch", "--image", pulled.imageId, "--name", "web3", "--wait"]
                )
                #expect(launch.code == 0, "\(launch.complaint)")
            }
            let all = try await dev.json([Listed].self, "instance", "list")
            #expect(all.map(\.id) == ["web1", "web2", "web3"] && all.map(\.host) == ["h1", "h2", "h2"])
            let image = try await show(asked.imageId)
            #expect(image.jobs.allSatisfy { $0.attempt == 1 && $0.host == "h2" })

            // A host that hangs hides its own instances only, and the list says so.
            try await second.libvirt.freeze(true)
            let isPartial = try await eventually {
                let list = try await dev.run("instance", "list")
                return list.code == 5 && list.output.contains("web1") && !list.output.contains("web2")
                    && list.complaint.contains("do not answer: h2")
            }
            #expect(isPartial)
            let broken = try await dev.run("doctor", "--quick")
            #expect(broken.code == 1 && broken.output.contains("libvirt of h2: "), "\(broken.output)")
            try await second.libvirt.freeze(false)
        }
    }
}
