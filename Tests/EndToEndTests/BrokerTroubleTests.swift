import Glibc
import GoldsmithTestSupport
import Testing

@Suite("A broker in trouble while an image is made", .serialized, .timeLimit(.minutes(30)))
struct BrokerTroubleTests {
    private func startCopying(_ dev: Dev) async throws -> String {
        _ = try await dev.run("instance", "sample", "--id", "i-long", "--mib", "64")
        _ = try await dev.run("image", "create", "--instance", "i-long", "--name", "long", "--replicate-to", "east")
        let id = try #require(try await dev.json([ShownImage].self, "image", "list").first?.id)
        let isCopying = await eventually {
            let image = try? await dev.json(ShownImage.self, "image", "show", id)
            return image?.jobs.contains { $0.job == "system-disk" && ($0.doneBytes ?? 0) > 0 } == true
        }
        #expect(isCopying)
        return id
    }

    @Test("a broker that halts for longer than a lease costs no worker its work")
    func halted() async throws {
        // A lease that a busy machine finds the time to renew.
        try await Dev.with(workers: 2, copyRate: 2, environment: ["GOLDSMITH_LEASE": "10"]) { dev in
            let id = try await startCopying(dev)
            let before = try await dev.json(ShownImage.self, "image", "show", id)
            let worker = before.jobs.first { $0.job == "system-disk" }?.worker
            let broker = try #require(dev.facts?.pids.broker)
            kill(broker, SIGSTOP)
            // It must be renewed all through twice that.
            let end = ContinuousClock.now + .seconds(20)
            let isKept = await eventually {
                let image = try? await dev.json(ShownImage.self, "image", "show", id)
                let now = image?.jobs.first { $0.job == "system-disk" }
                return ContinuousClock.now > end || (now?.phase == "waiting" && now?.worker != worker)
            }
            #expect(isKept && ContinuousClock.now > end, "the lease lapsed while its worker was alive")
            kill(broker, SIGCONT)
            #expect(try await dev.run("image", "watch", id).code == 0)
            let image = try await dev.json(ShownImage.self, "image", "show", id)
            #expect(image.deviceMapping.first?.resource == "\(id).vda.2", "the first attempt's output is the image's")
            #expect(await eventually { dev.leftovers == image.owned })
        }
    }

    @Test("a development system starts its dead broker again, and the image is made")
    func killed() async throws {
        try await Dev.with(workers: 1, copyRate: 16) { dev in
            let id = try await startCopying(dev)
            kill(try #require(dev.facts?.pids.broker), SIGKILL)
            #expect(try await dev.run("image", "watch", id).code == 0)
            let image = try await dev.json(ShownImage.self, "image", "show", id)
            #expect(await eventually { dev.leftovers == image.owned })
            #expect(
                await eventually { (try? await dev.run("topology", "verify").code) == 0 },
                "nothing had to be declared"
            )
        }
    }
}
