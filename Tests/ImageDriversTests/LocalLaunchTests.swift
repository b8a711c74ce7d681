import Foundation
import GoldsmithTestSupport
import ImageCore
import Testing

@testable import ImageDrivers

@Suite("The local driver launches instances that equal their image", .timeLimit(.minutes(30)))
struct LocalLaunchTests {
    /// A sample instance's image with one data disk, whole at the location east.
    private struct Made {
        let scratch: DriverScratch
        let replica: Replica
        let sizes: [Int64]

        init() async throws {
            scratch = try DriverScratch()
            let instance = try await scratch.driver.makeSample(
                id: InstanceID(known: "i-web1"),
                owner: Owner(known: "acct-1"),
                dataDisks: 1,
                mebibytes: 64
            )
            sizes = instance.disks.map(\.sizeBytes)
            let system = try await scratch.captureSystem("i-web1")
            let data = try await scratch.driver.capture(
                try known(DeviceName("/dev/vdb")),
                of: instance.id,
                into: try known(resource("img-1", .snapshot, "vdb")),
                progress: { _ in }
            )
            let place = try known(resource("img-1", .replica, "east", location: "east"))
            replica = try await scratch.driver.replicate([system, data], manifest: [1], into: place) { _ in }
        }

        func launch(_ id: String = "i-new", grown: Int64 = 0) throws -> Launch {
            let data = try known(DeviceName("/dev/vdb"))
            return Launch(
                instanceID: InstanceID(known: id),
                owner: Owner(known: "acct-1"),
                requestID: RequestID(known: "r1"),
                location: replica.location,
                disks: [
                    LaunchDisk(device: .system, kind: .local, sizeBytes: sizes[0], autoDelete: true, from: .system),
                    LaunchDisk(device: data, kind: .cloud, sizeBytes: sizes[1] + grown, autoDelete: true, from: data),
                    LaunchDisk(
                        device: try known(DeviceName("/dev/vdc")),
                        kind: .cloud,
                        sizeBytes: 1 << 30,
                        autoDelete: true,
                        from: nil
                    ),
                ]
            )
        }

        func put(_ launch: Launch) async throws {
            try await scratch.driver.launch(launch, from: replica, into: try place) { _ in }
            try await scratch.driver.publishInstance(launch, from: try place)
        }

        var place: Resource { get throws { try known(resource("img-1", .instance, "launch")) } }
        func disk(_ name: String, of instance: String = "i-new") -> String {
            scratch.path("instances", instance, name + ".qcow2")
        }
    }

    @Test("its disks hold the image's bytes, and the file system inside still checks clean")
    func equal() async throws {
        let made = try await Made()
        try await made.put(try made.launch())
        for (name, source) in [("vda", "i-web1"), ("vdb", "i-web1")] {
            try await DriverScratch.run(
                "/usr/bin/qemu-img",
                ["compare", "-f", "qcow2", "-F", "qcow2", made.disk(name, of: source), made.disk(name)]
            )
        }
        for name in ["vda", "vdb", "vdc"] {
            try await DriverScratch.run("/usr/bin/qemu-img", ["check", "-q", made.disk(name)])
        }
        let raw = made.scratch.path("vda.raw")
        try await DriverScratch.run("/usr/bin/qemu-img", ["convert", "-O", "raw", made.disk("vda"), raw])
        // The sample's root begins at the first MiB.
        try await DriverScratch.run("/usr/sbin/e2fsck", ["-fn", raw + "?offset=1048576"])
    }

    @Test("a data disk that was made larger begins with the image's bytes, and the rest is empty")
    func grown() async throws {
        let made = try await Made()
        let launch = try made.launch(grown: 32 << 20)
        try await made.put(launch)
        // Without -s, compare takes a shorter disk for equal when the longer one goes on with zeros.
        try await DriverScratch.run(
            "/usr/bin/qemu-img",
            ["compare", "-f", "qcow2", "-F", "qcow2", made.disk("vdb", of: "i-web1"), made.disk("vdb")]
        )
        let described = try await made.scratch.driver.describe(launch.instanceID)
        #expect(described.disks.map(\.sizeBytes) == launch.disks.map(\.sizeBytes))
    }

    @Test("instances may lie on another file system than all the rest")
    func elsewhere() async throws {
        let made = try await Made()
        let other = "/dev/shm/goldsmith-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: other) }
        let instances = made.scratch.path("instances")
        try await DriverScratch.run("/usr/bin/cp", ["-a", instances, other])
        try FileManager.default.removeItem(atPath: instances)
        try FileManager.default.createSymbolicLink(atPath: instances, withDestinationPath: other)
        let devices = try [other, made.scratch.root].map { try FileCalls.status($0)?.device }
        try #require(devices[0] != devices[1], "this test needs two file systems")
        let launch = try made.launch()
        try await made.put(launch)
        #expect(try await made.scratch.driver.describe(launch.instanceID).disks.count == 3)
        #expect(try FileManager.default.contentsOfDirectory(atPath: other + "/.launches").isEmpty)
    }

    @Test("what an earlier version has put together in its place is published, listed and deleted")
    func earlierPlace() async throws {
        let made = try await Made()
        let launch = try made.launch()
        let place = try made.place
        let move = { () throws in
            try FileManager.default.createDirectory(
                atPath: made.scratch.path("launches"),
                withIntermediateDirectories: true
            )
            try FileManager.default.moveItem(
                atPath: made.scratch.path("instances", ".launches", place.id.text),
                toPath: made.scratch.path("launches", place.id.text)
            )
        }
        try await made.scratch.driver.launch(launch, from: made.replica, into: place) { _ in }
        try move()
        #expect(try await made.scratch.driver.inventory().contains(place))
        try await made.scratch.driver.delete(place)
        #expect(try await !made.scratch.driver.inventory().contains(place))
        try await made.scratch.driver.launch(launch, from: made.replica, into: place) { _ in }
        try move()
        try await made.scratch.driver.publishInstance(launch, from: place)
        #expect(try await made.scratch.driver.describe(launch.instanceID).disks.count == 3)
    }

    @Test("a replica that rotted is not launched from, and no instance is there")
    func rotten() async throws {
        let made = try await Made()
        let file = made.scratch.path("locations", "east", made.replica.resource.id.text, "vdb.qcow2")
        let handle = try known(FileHandle(forUpdatingAtPath: file))
        try handle.seek(toOffset: 70_000)
        try handle.write(contentsOf: [0xff, 0xfe, 0xfd])
        try handle.close()
        let failure = try await refusal {
            try await made.scratch.driver.launch(try made.launch(), from: made.replica, into: try made.place) { _ in }
        }
        #expect(failure.code == .failedPrecondition && failure.message.contains("damaged"))
        #expect(!FileManager.default.fileExists(atPath: made.scratch.path("instances", "i-new")))
        try await made.scratch.driver.delete(try made.place)
        #expect(try FileManager.default.contentsOfDirectory(atPath: made.scratch.path("instances/.launches")).isEmpty)
    }

    @Test("an instance of that name that is another's is left alone")
    func taken() async throws {
        let made = try await Made()
        let failure = try await refusal {
            try await made.put(try made.launch("i-web1"))
        }
        #expect(failure.code == .conflict)
        #expect(try await made.scratch.driver.describe(InstanceID(known: "i-web1")).disks.count == 2)
    }

    @Test("a cancelled launch stops promptly, leaves no instance, and is deleted without a trace")
    func cancelled() async throws {
        let made = try await Made()
        let slow = DriverScratch.driver(at: made.scratch.root, copyRate: 64 << 10)
        let (launch, replica, place) = (try made.launch(), made.replica, try made.place)
        let (signals, begun) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingOldest(1))
        let launching = Task { try await slow.launch(launch, from: replica, into: place) { _ in begun.yield() } }
        for await _ in signals { break }
        launching.cancel()
        let failure = try await refusal { try await launching.value }
        #expect(failure.code == .cancelled)
        #expect(!FileManager.default.fileExists(atPath: made.scratch.path("instances", "i-new")))
        try await slow.delete(place)
        #expect(try await slow.inventory().allSatisfy { $0.kind != .instance })
    }
}
