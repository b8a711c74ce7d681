import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import LibvirtClient
import Testing

@Suite(
    "A location of one host pulls its replicas from the host that has the captures",
    .enabled(if: TestLibvirt.isPossible, needsHost),
    .timeLimit(.minutes(30))
)
struct PullTests {
    private func replica(_ part: String = "east") throws -> Resource {
        var replica = try resource(.replica, part, at: "east")
        replica.host = TwoHosts.h2
        return replica
    }

    /// A capture on h1, of a file that is put together by hand: the parts of it that hold data.
    private func capture(_ two: TwoHosts, sizeBytes: Int64, data: [Range<Int64>]) async throws -> Capture {
        var output = try resource(.imageFile, "vda")
        output.host = TwoHosts.h1
        let folder = two.first.libvirt.path("data", "images", output.id.text)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let path = folder + "/vda.qcow2"
        #expect(FileManager.default.createFile(atPath: path, contents: nil))
        let file = try #require(FileHandle(forWritingAtPath: path))
        var generator = SystemRandomNumberGenerator()
        for part in data {
            var words = [UInt64](repeating: 0, count: part.count / 8 + 1)
            for index in words.indices { words[index] = generator.next() }
            let bytes = words.withUnsafeBytes { Data($0.prefix(part.count)) }
            try file.seek(toOffset: UInt64(part.lowerBound))
            try file.write(contentsOf: bytes)
        }
        try file.truncate(atOffset: UInt64(sizeBytes))
        try file.close()
        return Capture(
            resource: output,
            device: .system,
            virtualSizeBytes: sizeBytes,
            fileSizeBytes: sizeBytes,
            sha256: try await sum(path)
        )
    }

    private func sum(_ path: String) async throws -> String {
        String(try await DriverScratch.run("/usr/bin/sha256sum", [path]).prefix(64))
    }

    private func copyPath(_ two: TwoHosts, _ replica: Resource) -> String {
        two.second.libvirt.path("data", "locations", "east", replica.id.text)
    }

    @Test("what comes is the same bytes with the same holes, with the machine's files and the manifest")
    func pulled() async throws {
        let two = try await TwoHosts()
        // In several parts of 32 MiB: data over the end of one, a part with nothing but a hole, and a hole at the end.
        let capture = try await capture(
            two,
            sizeBytes: 200 << 20 + 777,
            data: [0..<4096, 31 << 20..<33 << 20, 64 << 20..<65 << 20, 150 << 20 + 12_345..<152 << 20]
        )
        let source = two.first.libvirt.path("data", "images", capture.resource.id.text)
        let variables = Data((0..<600_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        try variables.write(to: URL(fileURLWithPath: source + "/nvram.fd"))
        try Data("<domain type='qemu'/>".utf8).write(to: URL(fileURLWithPath: source + "/machine.xml"))

        let output = try replica()
        let made = try await two.target.replicate([capture], manifest: Array("{}".utf8), into: output) { _ in }
        let copy = copyPath(two, output)
        #expect(made.files.map(\.sha256) == [capture.sha256])
        #expect(try await sum(copy + "/vda.qcow2") == capture.sha256)
        let sizes = [try allocatedBytes(source + "/vda.qcow2"), try allocatedBytes(copy + "/vda.qcow2")]
        #expect(sizes[1] <= sizes[0] + 1 << 20 && sizes[1] < 16 << 20, "\(sizes)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: copy + "/nvram.fd")) == variables)
        #expect(try String(contentsOfFile: copy + "/machine.xml", encoding: .utf8) == "<domain type='qemu'/>")
        #expect(FileManager.default.contents(atPath: copy + "/manifest.json") == Data("{}".utf8))
        #expect(try await two.pools() == [TwoHosts.ownPools, TwoHosts.ownPools])
    }

    @Test("a verified replica serves as the source; one that is gone, damaged or silent is passed over")
    func fromReplica() async throws {
        let two = try await TwoHosts()
        let capture = try await capture(two, sizeBytes: 70 << 20, data: [0..<40 << 20])
        let source = two.first.libvirt.path("data", "images", capture.resource.id.text)
        try Data("<domain type='qemu'/>".utf8).write(to: URL(fileURLWithPath: source + "/machine.xml"))
        let east = try await two.target.replicate([capture], manifest: [1], into: try replica()) { _ in }
        var output = try resource(.replica, "north", at: "north")
        output.host = TwoHosts.h1
        let copy = two.first.libvirt.path("data", "locations", "north", output.id.text)
        func pull() async throws -> Replica {
            try await two.source.replicate([capture], from: [east], manifest: [2], into: output) { _ in }
        }

        // Nothing is read from the captures' host.
        let hidden = source + ".hidden"
        try FileManager.default.moveItem(atPath: source, toPath: hidden)
        #expect(try await pull().files.map(\.sha256) == [capture.sha256])
        #expect(try await sum(copy + "/vda.qcow2") == capture.sha256)
        #expect(try String(contentsOfFile: copy + "/machine.xml", encoding: .utf8) == "<domain type='qemu'/>")
        #expect(try await two.pools() == [TwoHosts.ownPools, TwoHosts.ownPools])

        let file = copyPath(two, east.resource) + "/vda.qcow2"
        let handle = try #require(FileHandle(forUpdatingAtPath: file))
        try handle.write(contentsOf: Data([0, 1, 2, 3]))
        try handle.close()
        let damaged = try await refusal { _ = try await pull() }
        #expect(damaged.code == .notFound, "the captures were asked for, which are not there: \(damaged.message)")
        try FileManager.default.moveItem(atPath: hidden, toPath: source)
        #expect(try await pull().files.map(\.sha256) == [capture.sha256])
        #expect(try await sum(copy + "/vda.qcow2") == capture.sha256)

        try await two.second.libvirt.freeze(true)
        let clock = ContinuousClock()
        let begun = clock.now
        #expect(try await pull().files.map(\.sha256) == [capture.sha256])
        #expect(clock.now - begun < .seconds(60))
        try await two.second.libvirt.freeze(false)
        try await two.target.delete(east.resource)
        #expect(try await pull().files.map(\.sha256) == [capture.sha256])
        try await two.source.delete(output)
        #expect(try await two.source.inventory().map(\.id) == [capture.resource.id])
    }

    @Test("a file that has become shorter on its host is no copy")
    func shorter() async throws {
        let two = try await TwoHosts()
        let capture = try await capture(two, sizeBytes: 40 << 20, data: [0..<40 << 20])
        let path = two.first.libvirt.path("data", "images", capture.resource.id.text, "vda.qcow2")
        for size in [36 << 20, 32 << 20, 5] {
            #expect(truncate(path, size) == 0)
            let failure = try await refusal {
                _ = try await two.target.replicate([capture], manifest: [1], into: try replica()) { _ in }
            }
            #expect(failure.code == .unavailable && failure.disposition == .transient)
            #expect(failure.message.contains("differs from its capture"), "\(failure.message)")
        }
    }

    enum Trouble: CaseIterable { case frozen, withoutPower, cancelled }

    @Test("a host that is lost in the middle costs a bounded time, and leaves nothing", arguments: Trouble.allCases)
    func lost(_ trouble: Trouble) async throws {
        let two = try await TwoHosts(copyRate: 16 << 20)
        let capture = try await capture(two, sizeBytes: 160 << 20, data: [0..<160 << 20])
        let output = try replica()
        let (signals, begun) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingOldest(1))
        let target = two.target
        let work = Task {
            try await refusal {
                _ = try await target.replicate([capture], manifest: [1], into: output) {
                    if $0.doneBytes > 0 { begun.yield() }
                }
            }
        }
        for await _ in signals { break }
        switch trouble {
        case .frozen: try await two.first.libvirt.freeze(true)
        case .withoutPower: #expect(await two.first.libvirt.cutPower())
        case .cancelled:
            try await two.first.libvirt.freeze(true)
            work.cancel()
        }
        let clock = ContinuousClock()
        let lostAt = clock.now
        let failure = try await work.value
        let time = clock.now - lostAt
        // What has come already is written first, at the rate: two seconds. Then there is room for a busy machine.
        #expect(time < LibvirtDownload.silenceLimit * 3, "\(time)")
        switch trouble {
        case .frozen, .withoutPower:
            #expect(failure.code == .unavailable && failure.disposition == .transient)
            #expect(
                failure.message.hasPrefix("The libvirt of host h1 could not send the capture"),
                "\(failure.message)"
            )
        case .cancelled:
            // Else the silence would have ended it, as unavailable.
            #expect(failure.code == .cancelled && failure.disposition == .throttled)
        }
        #expect(!FileManager.default.fileExists(atPath: copyPath(two, output) + "/manifest.json"))
        try await two.target.delete(output)
        #expect(try await two.target.inventory().isEmpty)
        guard trouble != .withoutPower else { return }

        try await two.first.libvirt.freeze(false)
        // As soon as it answers again, a later attempt goes through, and takes over what the lost one may have left.
        let isMade = await eventually {
            (try? await target.replicate([capture], manifest: [1], into: output) { _ in }) != nil
        }
        #expect(isMade)
        #expect(try await sum(copyPath(two, output) + "/vda.qcow2") == capture.sha256)
        #expect(try await two.pools()[0] == TwoHosts.ownPools)
    }

    @Test("several fetch one capture at once, over the pool that a dead process left; a deletion takes it away too")
    func several() async throws {
        let two = try await TwoHosts()
        let capture = try await capture(two, sizeBytes: 100 << 20, data: [0..<20 << 20, 90 << 20..<100 << 20])
        let folder = two.second.libvirt.path("data", "images", capture.resource.id.text)
        let leave = { () async throws in
            let pool = "goldsmith.\(capture.resource.id)"
            try await two.first.libvirt.virsh(["pool-create-as", pool, "dir", "--target", folder])
        }
        try await leave()
        try await withThrowingTaskGroup(of: Replica.self) { group in
            for number in 1...4 {
                let output = try replica("copy\(number)")
                group.addTask { try await two.target.replicate([capture], manifest: [1], into: output) { _ in } }
            }
            for try await replica in group { #expect(replica.files.map(\.sha256) == [capture.sha256]) }
        }
        #expect(try await two.pools()[0] == TwoHosts.ownPools)
        try await leave()
        try await two.source.delete(capture.resource)
        #expect(try await two.pools()[0] == TwoHosts.ownPools)
        #expect(try await two.source.inventory().isEmpty)
    }

    @Test("a machine of h1 becomes one of h2, with disks there")
    func launched() async throws {
        let two = try await TwoHosts()
        let disk = try await two.first.makeDisk("web1.qcow2")
        try await two.first.define("web1", LibvirtScratch.disk(disk, "vda"))
        var output = try resource(.imageFile, "vda")
        output.host = TwoHosts.h1
        let capture = try await two.source.capture(.system, of: try known(InstanceID("web1")), into: output) { _ in }
        let replica = try await two.target.replicate([capture], manifest: [1], into: try replica()) { _ in }
        let launch = Launch(
            instanceID: try known(InstanceID("web2")),
            owner: Owner(known: "acct-7"),
            requestID: try known(RequestID("r1")),
            location: replica.location,
            disks: [
                LaunchDisk(device: .system, kind: .local, sizeBytes: 64 << 20, autoDelete: true, from: .system)
            ]
        )
        var made = try resource(.instance, "launch")
        made.host = TwoHosts.h2
        try await two.target.launch(launch, from: replica, into: made) { _ in }
        try await two.target.publishInstance(launch, from: made)
        #expect(try await two.source.describe(launch.instanceID).host == TwoHosts.h2)
        let xml = try await two.second.libvirt.virsh(["dumpxml", "web2"])
        let file = two.second.libvirt.path("disks", made.id.text, "vda.qcow2")
        #expect(xml.contains("<source file='\(file)'/>"), "\(xml)")
        try await DriverScratch.run("/usr/bin/qemu-img", ["compare", "-q", disk, file])
        try await two.second.libvirt.virsh(["start", "web2"])
        // The name is taken on both hosts now.
        let taken = try await refusal { try await two.source.publishInstance(launch, from: made) }
        #expect(taken.code == .internal)
    }

    @Test("what is on the wrong host is refused with what to do")
    func refused() async throws {
        let two = try await TwoHosts()
        var capture = try await capture(two, sizeBytes: 4096, data: [0..<4096])
        var output = try replica()
        output.host = TwoHosts.h1
        let moved = try await refusal {
            _ = try await two.source.replicate([capture], manifest: [1], into: output) { _ in }
        }
        #expect(moved.code == .failedPrecondition && moved.advice != nil)
        #expect(moved.message == "Location east is a folder of host h2, and img-1.east.1 is to be on h1.")

        capture.resource.host = HostName(known: "h9")
        let unknown = try await refusal {
            _ = try await two.target.replicate([capture], manifest: [1], into: try replica()) { _ in }
        }
        #expect(unknown.message == "The capture of /dev/vda is on host h9, which is not among the hosts.")

        capture.resource.host = TwoHosts.h1
        try await two.source.delete(capture.resource)
        let gone = try await refusal {
            _ = try await two.target.replicate([capture], manifest: [1], into: try replica()) { _ in }
        }
        #expect(gone.code == .notFound && gone.disposition == .permanent)
        #expect(gone.advice?.contains("setting data") == true)
        #expect(try await two.target.inventory().isEmpty)
    }
}
