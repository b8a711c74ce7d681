import Foundation
import GoldsmithTestSupport
import LibvirtClient
import Synchronization
import Testing

@Suite("A libvirt host answers, or is given up in time", .timeLimit(.minutes(30)))
struct HostTests {
    @Test("a host without a daemon is unreachable, for whoever asks", .enabled(if: TestLibvirt.isPossible, needsHost))
    func noDaemon() async throws {
        let host = LibvirtHost(uri: "qemu+unix:///system?socket=/tmp/goldsmith-no-such-socket")
        for _ in 0..<2 {
            let error = try await #require(throws: LibvirtError.self) {
                _ = try await host.run { host throws(LibvirtError) in try host.hostName() }
            }
            #expect(error.kind == .unreachable)
            #expect(error.errno == ENOENT)
        }
    }

    @Test(
        "a frozen host costs one call its limit and later ones nothing, and is there again when it goes on",
        .enabled(if: TestLibvirt.isPossible, needsHost)
    )
    func frozen() async throws {
        let libvirt = try await TestLibvirt()
        let host = LibvirtHost(uri: libvirt.uri)
        let ask = { () async throws -> String in
            try await host.run(within: .seconds(2)) { host throws(LibvirtError) in try host.hostName() }
        }
        // Its first call may come late on a busy machine.
        #expect(await eventually { (try? await ask()) == "goldsmith-test" })
        try await libvirt.freeze(true)
        let clock = ContinuousClock()
        let first = try await clock.measure {
            let error = try await #require(throws: LibvirtError.self) { _ = try await ask() }
            #expect(error.kind == .unreachable)
        }
        #expect(first >= .seconds(2))
        // The connection is given up, and opening another never ends: no caller waits for it twice.
        let isRefusedAtOnce = await eventually {
            let began = clock.now
            let hasFailed = (try? await ask()) == nil
            return hasFailed && clock.now - began < .seconds(1)
        }
        #expect(isRefusedAtOnce)
        try await libvirt.freeze(false)
        #expect(await eventually { (try? await ask()) == "goldsmith-test" })
    }

    @Test("a call that nobody waits for any more is not made later", .enabled(if: TestLibvirt.isPossible, needsHost))
    func late() async throws {
        let libvirt = try await TestLibvirt()
        let host = LibvirtHost(uri: libvirt.uri)
        #expect(await eventually { (try? await host.run { host throws(LibvirtError) in try host.hostName() }) != nil })
        try await libvirt.freeze(true)
        let hasBegun = Mutex(false)
        async let first: Void? = try? host.run(within: .seconds(3)) { host throws(LibvirtError) in
            hasBegun.withLock { $0 = true }
            _ = try host.hostName()
        }
        #expect(await eventually { hasBegun.withLock { $0 } })
        // Lined up behind the first, and given up before it.
        let xml = "<domain type='qemu'><name>late</name><memory>65536</memory><os><type>hvm</type></os></domain>"
        _ = try? await host.run(within: .milliseconds(500)) { host throws(LibvirtError) in try host.define(xml) }
        _ = await first
        try await libvirt.freeze(false)
        let isBack = await eventually {
            (try? await host.run { host throws(LibvirtError) in try host.domain(named: "late") == nil }) == true
        }
        #expect(isBack)
    }

    @Test("ten thousand calls leave no memory behind", .enabled(if: TestLibvirt.isPossible, needsHost))
    func memory() async throws {
        // libvirt's own driver for tests needs no daemon.
        let host = LibvirtHost(uri: "test:///default")
        let look = { @Sendable (host: LibvirtConnection) throws(LibvirtError) -> Void in
            for _ in 0..<1000 {
                _ = try host.domains()
                _ = try host.domain(named: "nobody")
            }
        }
        try await host.run(within: .seconds(600), look)
        // Other tests of this process take memory too; a leak grows in every round.
        var growth = Int.max
        for _ in 0..<10 where growth >= 8 << 20 {
            let before = Self.residentBytes
            for _ in 0..<5 { try await host.run(within: .seconds(600), look) }
            growth = Self.residentBytes - before
        }
        #expect(growth < 8 << 20)
    }

    private static var residentBytes: Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * Int(getpagesize())
    }
}
