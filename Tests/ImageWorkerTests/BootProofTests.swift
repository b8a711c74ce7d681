import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@testable import ImageWorker

@Suite("What a boot proof makes of an image", .timeLimit(.minutes(30)))
struct BootProofTests {
    private func made(
        _ mode: String?,
        _ verdict: BootVerdict = .proven,
        policy: BootPolicy = BootPolicy()
    ) async throws -> (Image, Rig) {
        let rig = try await Rig(faults: SimulatedFaults(bootVerdicts: { _ in verdict }))
        rig.request(.create, mode.map { ["bootProof": .string($0)] } ?? [:])
        try await rig.run(rig.worker(adjust: { $0.bootProof = policy }))
        return (try await rig.image(), rig)
    }

    private func events(_ rig: Rig, _ key: String) throws -> [CloudEvent] {
        try rig.broker.events.filter { $0.routingKey.hasPrefix(key) }.map {
            try CanonicalJSON.decode(CloudEvent.self, from: $0.body.utf8)
        }
    }

    @Test("require makes the image Available with its verdict, which its events tell too")
    func proven() async throws {
        let (image, rig) = try await made("require")
        #expect(image.status == .available && image.bootProof?.verdict == .proven)
        #expect(image.bootProof?.observation?.sign == .loginPrompt && image.bootProof?.worker == "w1")
        let told = try events(rig, "image.boot-proof").map(\.data.bootProof)
        #expect(told.map { $0?.verdict } == [.proven])
        #expect(try events(rig, "image.available").first?.data.bootProof == told.first ?? nil)
    }

    @Test("require ends in Error when the guest was seen to fail, and leaves nothing behind")
    func failed() async throws {
        let (image, rig) = try await made("require", .failed)
        #expect(image.status == .error && image.failure?.cause.code == .bootFailed)
        #expect(image.failure?.job?.step == .bootProof && image.failure?.attempts == 1)
        #expect(image.bootProof?.verdict == .failed && image.cleanUp == .done)
        #expect(try await rig.driver.inventory().isEmpty)
    }

    @Test("require ends as the installation says when nothing was proven", arguments: UnprovenBoot.allCases)
    func unproven(_ unproven: UnprovenBoot) async throws {
        let (image, _) = try await made("require", .notProven, policy: BootPolicy(unproven: unproven))
        #expect(image.status == (unproven == .available ? .available : .error))
        #expect(image.failure?.cause.code == (unproven == .available ? nil : .bootNotProven))
        #expect(image.bootProof?.verdict == .notProven)
    }

    @Test("report makes the image Available whatever was seen", arguments: BootVerdict.allCases)
    func report(_ verdict: BootVerdict) async throws {
        let (image, rig) = try await made("report", verdict)
        #expect(image.status == .available && image.bootProof?.verdict == verdict)
        let kinds = try await rig.store.journal(of: image.id, after: 0).map(\.kind)
        #expect(kinds.count { $0 == .imageBootProof } == 1 && !kinds.contains(.imageError))
    }

    @Test("A request that says nothing is made as the installation says")
    func policies() async throws {
        #expect(try await made(nil).0.plan.bootProof == nil)
        #expect(try await made("off", policy: BootPolicy(mode: .require)).0.plan.bootProof == nil)
        let (image, _) = try await made(nil, policy: BootPolicy(mode: nil))
        #expect(image.plan.bootProof == BootTerms(.report) && image.bootProof?.verdict == .proven)
    }

    @Test("bootProof must be a mode")
    func refused() async throws {
        let rig = try await Rig()
        rig.request(.create, ["bootProof": .string("maybe")])
        try await rig.run(rig.worker())
        let answer = try await rig.store.answer(
            to: RequestIdentity(owner: Owner(known: "acct-1"), requestID: RequestID(known: "r1"))
        )
        #expect(answer?.answer.code == .invalidArgument && answer?.answer.field == "bootProof")
    }

    @Test("A machine that cannot be started puts off nothing: the report says it is not proven, and why")
    func cannot() async throws {
        let rig = try await Rig()
        rig.request(.create, ["bootProof": .string("report")])
        let broken = rig.worker(driver: { call in
            call.name == "driver.proveBoot"
                ? .fail(StepFailure(.transient, .unavailable, "no QEMU on this host.")) : .pass
        })
        try await rig.run(broken)
        let image = try await rig.image()
        #expect(image.status == .available && image.bootProof?.verdict == .notProven)
        #expect(image.bootProof?.reason == "no QEMU on this host" && image.bootProof?.observation == nil)
    }
}
