public import ImageCore
import Synchronization

/// A driver with what its checks need from the system behind it.
public struct DriverFixture: Sendable {
    public var driver: any ImageDriver
    /// Makes an instance that has real disks if the driver handles real disks.
    public var addInstance: @Sendable (Instance) async throws -> Void
    public var setStatus: @Sendable (InstanceID, InstanceStatus) throws -> Void
    /// Makes a capture rot.
    public var damage: @Sendable (Capture) throws -> Void
    /// A replica's manifest, `nil` while there is none.
    public var manifest: @Sendable (Resource) throws -> [UInt8]?
    /// The size of a disk, in bytes: the smallest that the system behind it can make.
    public var diskBytes: Int64
    /// Whether an instance can have a data disk that is no cloud disk.
    public var hasLocalDataDisks: Bool
    /// Of several drivers, the one that has the instances, and the one that has the locations.
    public var maker: DriverName?
    public var keeper: DriverName?
    /// Held as long as the fixture: folders that vanish with it.
    public var anchor: (any Sendable)?

    public init(
        driver: any ImageDriver,
        addInstance: @escaping @Sendable (Instance) async throws -> Void,
        setStatus: @escaping @Sendable (InstanceID, InstanceStatus) throws -> Void,
        damage: @escaping @Sendable (Capture) throws -> Void,
        manifest: @escaping @Sendable (Resource) throws -> [UInt8]?,
        diskBytes: Int64 = 64 << 20,
        hasLocalDataDisks: Bool = true,
        maker: DriverName? = nil,
        keeper: DriverName? = nil,
        anchor: (any Sendable)? = nil
    ) {
        self.driver = driver
        self.addInstance = addInstance
        self.setStatus = setStatus
        self.damage = damage
        self.manifest = manifest
        (self.diskBytes, self.hasLocalDataDisks) = (diskBytes, hasLocalDataDisks)
        (self.maker, self.keeper) = (maker, keeper)
        self.anchor = anchor
    }
}

/// One rule of the driver port, as a check that throws a ``ConformanceFailure`` where a driver breaks it.
public struct DriverCheck: Sendable, CustomStringConvertible {
    /// A sentence.
    public let description: String
    /// Whether the fixture's operations must take minutes, so that they can be stopped in the middle.
    public let isSlow: Bool
    public let run: @Sendable (DriverFixture) async throws -> Void

    init(_ description: String, isSlow: Bool = false, _ run: @escaping @Sendable (DriverFixture) async throws -> Void) {
        self.description = description
        self.isSlow = isSlow
        self.run = run
    }
}

/// What the port asks of every driver. Each check begins with an empty system that has the locations east and west.
public enum DriverConformance {
    public static let checks = describing + capturing + checksOfReplicas + stopping

    /// Those that make a replica, or need one.
    public static let checksOfReplicas = replicating + living

    private static let describing = [
        DriverCheck("an instance is described as it is") { fixture in
            let instance = try await fixture.add()
            try expect(try await fixture.driver.describe(instance.id) == instance, "the description differs")
            try expect(try await fixture.driver.instances() == [instance], "the list differs")
            let names = try await fixture.driver.locations().map(\.name.text)
            try expect(names == ["east", "west"], "the locations differ")
        },
        DriverCheck("an unknown instance is not found, for good") { fixture in
            let nobody = try value(InstanceID("i-nobody")).of(fixture.maker)
            try await expect(.notFound, .permanent) { _ = try await fixture.driver.describe(nobody) }
            try await expect(.notFound, .permanent) { try await fixture.driver.checkDisk(.system, of: nobody) }
            try await expect(.notFound, .permanent) { _ = try await fixture.captureSystem(nobody) }
        },
        DriverCheck("somebody else's instance is not found either") { fixture in
            let instance = try await fixture.add()
            try expect(
                try await fixture.driver.describe(instance.id, for: instance.owner) == instance,
                "its owner does not see it"
            )
            let stranger = try value(Owner("somebody-else"))
            try await expect(.notFound, .permanent) {
                _ = try await fixture.driver.describe(instance.id, for: stranger)
            }
        },
        DriverCheck("an unknown disk is not found, for good") { fixture in
            let instance = try await fixture.add()
            let device = try value(DeviceName("/dev/vdz"))
            try await expect(.notFound, .permanent) { try await fixture.driver.checkDisk(device, of: instance.id) }
            try await expect(.notFound, .permanent) {
                try await fixture.driver.checkDisks([.system, device], of: instance.id)
            }
        },
        DriverCheck("a sound disk passes the check, alone and with the others") { fixture in
            let instance = try await fixture.add()
            for disk in instance.disks { try await fixture.driver.checkDisk(disk.device, of: instance.id) }
            try await fixture.driver.checkDisks(instance.disks.map(\.device), of: instance.id)
        },
    ]

    private static let capturing = [
        DriverCheck("a capture does in the guest what is asked for, or fails for good and says so") { fixture in
            let instance = try await fixture.add()
            let work = GuestWork(looks: true, fixes: true, seal: [.machineID, .sshHostKeys], findsSecrets: true)
            let target = try fixture.resource(.imageFile, "vda")
            do {
                let capture = try await fixture.driver.capture(
                    .system,
                    of: instance.id,
                    into: target,
                    guestWork: work,
                    progress: { _ in }
                )
                let isDone = capture.inspection != nil && capture.guestFix != nil && capture.secrets != nil
                try expect(isDone && capture.seal?.removed.map(\.item) == work.seal, "something was not done")
            } catch let failure as StepFailure {
                let isClear = failure.code == .failedPrecondition && failure.disposition == .permanent
                try expect(isClear && failure.advice != nil, "an unclear refusal: \(failure)")
                try await fixture.driver.delete(target)
            }
            let plain = try await fixture.captureSystem(instance.id)
            let isPlain =
                plain.inspection == nil && plain.guestFix == nil && plain.seal == nil && plain.secrets == nil
            try expect(isPlain, "what was not asked for was done")
        },
        DriverCheck("a capture that is to look into the guest says what it saw, or why it saw nothing") { fixture in
            let instance = try await fixture.add()
            let capture = try await fixture.driver.capture(
                .system,
                of: instance.id,
                into: try fixture.resource(.imageFile, "vda"),
                guestWork: GuestWork(looks: true),
                progress: { _ in }
            )
            try expect(capture.inspection == (try await fixture.driver.inspectGuest(of: instance.id)), "they differ")
            try expect(capture.guestFix == nil && capture.secrets == nil, "what was not asked for was done")
            try await fixture.driver.delete(capture.resource)
        },
        DriverCheck("a capture is deleted without a trace, and deleting it again is success") { fixture in
            let instance = try await fixture.add()
            let capture = try await fixture.captureSystem(instance.id)
            try expect(capture.virtualSizeBytes == instance.disks[0].sizeBytes, "the virtual size differs")
            try expect(capture.sha256.count == 64, "the checksum has not 64 digits")
            try expect(try await fixture.driver.inventory() == [capture.resource], "the inventory differs")
            for _ in 0..<2 {
                try await fixture.driver.delete(capture.resource)
                try expect(try await fixture.driver.inventory().isEmpty, "something is left")
            }
        },
        DriverCheck("a second capture into the same resource replaces the first") { fixture in
            let instance = try await fixture.add()
            let first = try await fixture.captureSystem(instance.id)
            try fixture.damage(first)
            let second = try await fixture.captureSystem(instance.id)
            let replica = try fixture.resource(.replica, "east", at: "east")
            _ = try await fixture.driver.replicate([second], manifest: [], into: replica, progress: { _ in })
        },
        DriverCheck("a cloud disk is captured as a snapshot, a local data disk not at all") { fixture in
            let instance = try await fixture.add()
            let snapshot = try fixture.resource(.snapshot, "vdb")
            let capture = try await fixture.capture("/dev/vdb", of: instance.id, into: snapshot)
            try expect(capture.resource == snapshot, "the capture names another resource")
            if fixture.hasLocalDataDisks {
                try await expect(.failedPrecondition, .permanent) {
                    _ = try await fixture.capture(
                        "/dev/vdc",
                        of: instance.id,
                        into: try fixture.resource(.snapshot, "vdc")
                    )
                }
            }
            try await expect(.failedPrecondition, .permanent) {
                _ = try await fixture.capture("/dev/vda", of: instance.id, into: try fixture.resource(.snapshot, "vda"))
            }
            try expect(try await fixture.driver.inventory() == [snapshot], "a refused capture left something")
        },
        DriverCheck("a running instance is refused before anything is made") { fixture in
            let instance = try await fixture.add(status: .running)
            try await expect(.failedPrecondition, .permanent) { _ = try await fixture.captureSystem(instance.id) }
            try expect(try await fixture.driver.inventory().isEmpty, "a refused capture left something")
        },
        DriverCheck("an instance cannot be started during the copy, or its capture is refused") { fixture in
            let instance = try await fixture.add()
            let start = fixture.setStatus
            let attempts = Reports()
            let isStarted = Mutex(false)
            do {
                _ = try await fixture.captureSystem(instance.id) { report in
                    guard attempts.isEmpty else { return }
                    attempts.add(report)
                    let hasStarted = (try? start(instance.id, .running)) != nil
                    isStarted.withLock { $0 = hasStarted }
                }
                try expect(!isStarted.withLock { $0 }, "the instance was started, and captured all the same")
                // The start that was refused during the capture works now.
                try start(instance.id, .running)
            } catch let failure as StepFailure {
                let isRight = failure.code == .failedPrecondition && failure.disposition == .permanent
                try expect(isRight && isStarted.withLock { $0 }, "FAILED_PRECONDITION was expected, not \(failure)")
            }
        },
        DriverCheck("progress only grows, and reaches its total") { fixture in
            let instance = try await fixture.add()
            let seen = Reports()
            let capture = try await fixture.captureSystem(instance.id) { seen.add($0) }
            try seen.expectWhole()
            let copied = Reports()
            let replica = try fixture.resource(.replica, "east", at: "east")
            _ = try await fixture.driver.replicate([capture], manifest: [], into: replica, progress: { copied.add($0) })
            try copied.expectWhole()
        },
    ]

    private static let replicating = [
        DriverCheck("a replica holds each capture's file by its checksum, and its manifest") { fixture in
            let instance = try await fixture.add()
            let system = try await fixture.captureSystem(instance.id)
            let data = try await fixture.capture(
                "/dev/vdb",
                of: instance.id,
                into: try fixture.resource(.snapshot, "vdb")
            )
            let replica = try fixture.resource(.replica, "east", at: "east")
            let manifest = Array("{\"name\":\"web\"}".utf8)
            let made = try await fixture.driver.replicate(
                [system, data],
                manifest: manifest,
                into: replica,
                progress: { _ in }
            )
            try expect(made.files.map(\.sha256) == [system.sha256, data.sha256], "the checksums differ")
            try expect(made.files.map(\.sizeBytes) == [system.fileSizeBytes, data.fileSizeBytes], "the sizes differ")
            try expect(made.location == replica.location, "the location differs")
            try expect(try fixture.manifest(replica) == manifest, "the manifest differs")
            let wanted = Set([system.resource, data.resource, replica])
            try expect(Set(try await fixture.driver.inventory()) == wanted, "the inventory differs")
            for resource in wanted { try await fixture.driver.delete(resource) }
            try expect(try await fixture.driver.inventory().isEmpty, "something is left")
        },
        DriverCheck("a capture that rotted is not replicated, and its replica has no manifest") { fixture in
            let instance = try await fixture.add()
            let capture = try await fixture.captureSystem(instance.id)
            try fixture.damage(capture)
            let replica = try fixture.resource(.replica, "west", at: "west")
            try await expect(.unavailable, .transient) {
                _ = try await fixture.driver.replicate([capture], manifest: [1], into: replica, progress: { _ in })
            }
            try expect(try fixture.manifest(replica) == nil, "a broken replica has a manifest")
            try await fixture.driver.delete(replica)
            try expect(try await fixture.driver.inventory() == [capture.resource], "a partial replica is left")
        },
        DriverCheck("a replica is the same where another may serve as its source, be that whole or gone") { fixture in
            let instance = try await fixture.add()
            let capture = try await fixture.captureSystem(instance.id)
            let driver = fixture.driver
            let first = try fixture.resource(.replica, "east", at: "east")
            let source = try await driver.replicate([capture], manifest: [1], into: first, progress: { _ in })
            let second = try fixture.resource(.replica, "west", at: "west")
            for isThere in [true, false] {
                if !isThere { try await driver.delete(first) }
                let made = try await driver.replicate(
                    [capture],
                    from: [source],
                    manifest: [2],
                    into: second,
                    progress: { _ in }
                )
                try expect(made.files.map(\.sha256) == [capture.sha256], "the checksums differ")
                try expect(try fixture.manifest(second) == [2], "the manifest differs")
                try await driver.delete(second)
            }
            try expect(try await driver.inventory() == [capture.resource], "something is left")
        },
        DriverCheck("a replica has no manifest while it is being made") { fixture in
            let instance = try await fixture.add()
            let capture = try await fixture.captureSystem(instance.id)
            let replica = try fixture.resource(.replica, "east", at: "east")
            let early = Reports()
            _ = try await fixture.driver.replicate([capture], manifest: [1], into: replica) { report in
                // The last report may come when all is done.
                guard report.doneBytes < report.totalBytes else { return }
                if let found = try? fixture.manifest(replica), !found.isEmpty { early.add(report) }
            }
            try expect(early.isEmpty, "the manifest was there before the copy was whole")
        },
        DriverCheck("a boot proof leaves the replica as it is, whether a machine can be started or not") { fixture in
            let instance = try await fixture.add()
            let capture = try await fixture.captureSystem(instance.id)
            let resource = try fixture.resource(.replica, "east", at: "east")
            let driver = fixture.driver
            let replica = try await driver.replicate([capture], manifest: [1], into: resource, progress: { _ in })
            let before = Set(try await driver.inventory())
            do {
                let seen = try await driver.proveBoot(of: replica)
                try expect((seen.end == .sign) == (seen.sign != nil), "the observation contradicts itself")
                try expect(seen.console.count <= BootConsole.excerptLines, "it is not bounded")
            } catch let failure as StepFailure {
                try expect(!failure.message.isEmpty, "it does not say why")
            }
            try expect(try fixture.manifest(resource) == [1], "the manifest differs")
            try expect(Set(try await driver.inventory()) == before, "the inventory differs")
            try await driver.delete(resource)
            try expect(try await driver.inventory() == [capture.resource], "the proof has left something")
        },
        DriverCheck("a replica that is gone is proven nothing of") { fixture in
            let instance = try await fixture.add()
            let capture = try await fixture.captureSystem(instance.id)
            let resource = try fixture.resource(.replica, "east", at: "east")
            let driver = fixture.driver
            let replica = try await driver.replicate([capture], manifest: [1], into: resource, progress: { _ in })
            try await driver.delete(resource)
            do throws(StepFailure) {
                _ = try await driver.proveBoot(of: replica)
            } catch {
                return
            }
            throw ConformanceFailure("a machine was started from what is not there")
        },
        DriverCheck("an unknown location and a capture that is gone are not found, for good") { fixture in
            let instance = try await fixture.add()
            let capture = try await fixture.captureSystem(instance.id)
            try await expect(.notFound, .permanent) {
                let nowhere = try fixture.resource(.replica, "moon", at: "moon")
                _ = try await fixture.driver.replicate([capture], manifest: [], into: nowhere, progress: { _ in })
            }
            try await fixture.driver.delete(capture.resource)
            try await expect(.notFound, .permanent) {
                let replica = try fixture.resource(.replica, "east", at: "east")
                _ = try await fixture.driver.replicate([capture], manifest: [], into: replica, progress: { _ in })
            }
        },
    ]

    private static let stopping = [
        DriverCheck("a cancelled capture stops promptly and is deleted without a trace", isSlow: true) { fixture in
            let instance = try await fixture.add()
            try await expectPromptStop { begun in
                _ = try await fixture.captureSystem(instance.id) { _ in begun() }
            }
            for resource in try await fixture.driver.inventory() { try await fixture.driver.delete(resource) }
            try expect(try await fixture.driver.inventory().isEmpty, "something is left")
        }
    ]
}
