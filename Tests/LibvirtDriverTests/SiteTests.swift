import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import LibvirtClient
import Testing

@Suite(
    "Two libvirt hosts are one place of instances, and each does its own work",
    .enabled(if: TestLibvirt.isPossible, needsHost),
    .timeLimit(.minutes(30))
)
struct SiteTests {
    /// Two hosts, as a worker of one of them sees both.
    private struct Two {
        let h1 = HostName(known: "h1")
        let h2 = HostName(known: "h2")
        let first: LibvirtScratch
        let second: LibvirtScratch

        init() async throws { (first, second) = (try await LibvirtScratch(), try await LibvirtScratch()) }

        func site(on own: HostName?) throws -> LibvirtSite {
            let home = own == h2 ? second : first
            let site = LibvirtSite(
                local: DriverScratch.driver(at: home.libvirt.root + "/data"),
                hosts: [h1: LibvirtHost(uri: first.libvirt.uri), h2: LibvirtHost(uri: second.libvirt.uri)],
                own: own,
                defaultOwner: Owner(known: "local"),
                disks: home.libvirt.root + "/disks",
                logger: testLogger
            )
            try site.makeFolders()
            return site
        }
    }

    private let acct1 = Owner(known: "acct-1")
    private let acct2 = Owner(known: "acct-2")

    private func define(_ name: String, on scratch: LibvirtScratch, owner: String? = "acct-1") async throws {
        let path = try await scratch.makeDisk(name + ".qcow2")
        try await scratch.define(name, LibvirtScratch.disk(path, "vda"), owner: owner)
    }

    @Test("an instance is described with its host, by workers of any host or of none, and adopted where it is")
    func found() async throws {
        let two = try await Two()
        try await define("web1", on: two.first)
        let path = try await two.second.makeDisk("volume.qcow2")
        try await two.second.libvirt.virsh(["pool-refresh", "pool"])
        try await two.second.define(
            "web2",
            """
            <disk type='volume' device='disk'><driver name='qemu' type='qcow2'/>
            <source pool='pool' volume='volume.qcow2'/><target dev='vda' bus='virtio'/></disk>
            """
        )
        #expect(path.hasSuffix("volume.qcow2"))
        let (web1, web2) = (try known(InstanceID("web1")), try known(InstanceID("web2")))
        for own in [nil, two.h1, two.h2] {
            let site = try two.site(on: own)
            let listing = try await site.list()
            #expect(listing.instances.map(\.id) == [web1, web2] && listing.silentHosts.isEmpty)
            #expect(listing.instances.map(\.host) == [two.h1, two.h2])
            // Wherever it is looked at from, a disk has its size.
            #expect(listing.instances.map { $0.disks.map(\.sizeBytes) } == [[64 << 20], [64 << 20]])
            for instance in listing.instances {
                #expect(try await site.describe(instance.id, for: acct1) == instance)
                let foreign = try await refusal { _ = try await site.describe(instance.id, for: acct2) }
                #expect(foreign == .noInstance(instance.id))
            }
            let none = try known(InstanceID("none"))
            #expect(try await refusal { _ = try await site.describe(none) } == .noInstance(none))
        }
        let site = try two.site(on: two.h1)
        try await site.adopt(web2, by: Owner(known: "acct-7"))
        #expect(try await site.describe(web2).owner == Owner(known: "acct-7"))
    }

    @Test("an id on both hosts is refused with both, and only to an owner who has one of them")
    func both() async throws {
        let two = try await Two()
        try await define("web1", on: two.first, owner: "acct-1")
        try await define("web1", on: two.second, owner: "acct-2")
        let id = try known(InstanceID("web1"))
        let site = try two.site(on: two.h1)
        for owner in [nil, acct1, acct2] {
            let failure = try await refusal { _ = try await site.describe(id, for: owner) }
            #expect(failure.code == .failedPrecondition && failure.disposition == .permanent)
            #expect(failure.message == "instance web1 is on more than one host: h1, h2")
        }
        let foreign = try await refusal { _ = try await site.describe(id, for: Owner(known: "acct-3")) }
        #expect(foreign == .noInstance(id))
        #expect(try await refusal { try await site.adopt(id, by: acct1) }.code == .failedPrecondition)
        #expect(try await site.instances().map(\.host) == [two.h1, two.h2])
    }

    @Test("a frozen host costs its limit at most, and the other's instances are found")
    func frozen() async throws {
        let two = try await Two()
        try await define("web1", on: two.first)
        try await define("web2", on: two.second)
        let site = try two.site(on: two.h1)
        let (web1, web2) = (try known(InstanceID("web1")), try known(InstanceID("web2")))
        #expect(await eventually { (try? await site.list().silentHosts.isEmpty) == true })
        try await two.second.libvirt.freeze(true)
        let clock = ContinuousClock()
        // On a busy machine the other host may be late too.
        let isFound = await eventually {
            let began = clock.now
            let listing = try? await site.list()
            // One limit for the host, and room for a busy machine.
            #expect(clock.now - began < LibvirtHost.standardLimit * 4)
            return listing?.instances.map(\.id) == [web1] && listing?.silentHosts == [two.h2]
        }
        #expect(isFound)
        #expect(await eventually { (try? await site.describe(web1, for: acct1).host) == two.h1 })
        // It may be on the host that does not answer: another owner gets the same answer as its own.
        for (id, owner) in [(web2, acct1), (web1, acct2)] {
            let failure = try await refusal { _ = try await site.describe(id, for: owner) }
            #expect(failure.code == .unavailable && failure.disposition == .transient)
            #expect(failure.message.hasSuffix("not every host answers: h2."), "\(failure.message)")
        }
        try await two.second.libvirt.freeze(false)
        #expect(await eventually { (try? await site.describe(web2).host) == two.h2 })
        try await two.first.libvirt.freeze(true)
        try await two.second.libvirt.freeze(true)
        #expect(try await refusal { _ = try await site.list() }.code == .unavailable)
        try await two.first.libvirt.freeze(false)
        try await two.second.libvirt.freeze(false)
    }

    @Test("the worker of a host captures its instances, and refuses those of another")
    func captured() async throws {
        let two = try await Two()
        try await define("web1", on: two.first)
        try await define("web2", on: two.second)
        let site = try two.site(on: two.h2)
        let (web1, web2) = (try known(InstanceID("web1")), try known(InstanceID("web2")))
        var output = try resource(.imageFile, "vda")
        output.host = two.h2
        try await site.checkDisk(.system, of: web2)
        let capture = try await site.capture(.system, of: web2, into: output) { _ in }
        #expect(capture.virtualSizeBytes == 64 << 20 && capture.resource == output)
        #expect(try await site.inventory().map(\.id) == [output.id])

        let moved = try await refusal { try await site.checkDisk(.system, of: web1) }
        #expect(moved.code == .failedPrecondition)
        #expect(moved.message == "Instance web1 is on host h1, not on h2 as when the image was asked for.")
        var foreign = output
        foreign.host = two.h1
        let wrong = [
            try await refusal { _ = try await site.capture(.system, of: web2, into: foreign) { _ in } },
            try await refusal { try await site.delete(foreign) },
        ]
        for failure in wrong {
            #expect(failure.code == .internal && failure.disposition == .permanent)
            #expect(failure.message == "img-1.vda.1 is on host h1, and its job came to a worker of h2.")
        }
        let nowhere = try two.site(on: nil)
        #expect(try await refusal { try await nowhere.checkDisk(.system, of: web2) }.disposition == .throttled)
        try await site.delete(output)
        #expect(try await site.inventory().isEmpty)
    }

    @Test("an instance is launched on the worker's host, unless another has one of that id")
    func launched() async throws {
        let two = try await Two()
        try await define("web1", on: two.first)
        let site = try two.site(on: two.h1)
        let (launch, replica) = try await two.first.replicated("web1")
        var output = try resource(.instance, "web2")
        output.host = two.h1
        try await site.launch(launch, from: replica, into: output) { _ in }
        try await define("web2", on: two.second)
        let taken = try await refusal { try await site.publishInstance(launch, from: output) }
        #expect(taken.code == .conflict)
        try await two.second.libvirt.virsh(["undefine", "web2"])
        for _ in 0..<2 { try await site.publishInstance(launch, from: output) }
        #expect(try await site.describe(launch.instanceID).host == two.h1)
        try await site.rollBackLaunch(output)
        #expect(try await refusal { _ = try await site.describe(launch.instanceID) } == .noInstance(launch.instanceID))
    }
}
