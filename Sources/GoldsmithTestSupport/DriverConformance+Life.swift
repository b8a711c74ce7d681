import ImageCore

/// What drivers do with an image that is made.
extension DriverConformance {
    static let living = [
        DriverCheck("what a capture would copy is told beforehand, and nothing is made") { fixture in
            let instance = try await fixture.add()
            let bytes = try await fixture.driver.copyBytes(of: .system, of: instance.id)
            try expect(try await fixture.driver.inventory().isEmpty, "something was made")
            let capture = try await fixture.captureSystem(instance.id)
            // A file has a few tables besides what is copied.
            try expect(bytes > 0 && capture.fileSizeBytes <= bytes + 2 << 20, "\(bytes), \(capture.fileSizeBytes)")
        },
        DriverCheck("a converted system disk is a snapshot of the same bytes, and stands alone") { fixture in
            let instance = try await fixture.add()
            let capture = try await fixture.captureSystem(instance.id)
            let snapshot = try fixture.resource(.snapshot, "converted")
            let seen = Reports()
            let converted = try await fixture.driver.convert(capture, into: snapshot) { seen.add($0) }
            try seen.expectWhole()
            var expected = capture
            expected.resource = snapshot
            try expect(converted == expected, "\(converted)")
            try await fixture.driver.delete(capture.resource)
            let replica = try fixture.resource(.replica, "east", at: "east")
            _ = try await fixture.driver.replicate([converted], manifest: [], into: replica, progress: { _ in })
        },
        DriverCheck("a damaged image file is not converted") { fixture in
            let instance = try await fixture.add()
            let capture = try await fixture.captureSystem(instance.id)
            try fixture.damage(capture)
            let snapshot = try fixture.resource(.snapshot, "converted")
            try await expect(.unavailable, .transient) {
                _ = try await fixture.driver.convert(capture, into: snapshot, progress: { _ in })
            }
            try await fixture.driver.delete(snapshot)
            try expect(try await fixture.driver.inventory() == [capture.resource], "something is left")
        },
        DriverCheck("a launched instance appears whole, with its owner, its disks and their sizes, and is no resource")
        { fixture in
            let (launch, replica) = try await fixture.replicated()
            let made = try fixture.resource(.instance, "launch")
            let seen = Reports()
            try await fixture.driver.launch(launch, from: replica, into: made) { seen.add($0) }
            try seen.expectWhole()
            try await expect(.notFound, .permanent) {
                _ = try await fixture.driver.describe(launch.instanceID, for: nil)
            }
            // A second time for a worker that died after the first.
            for _ in 0..<2 { try await fixture.driver.publishInstance(launch, from: made) }
            let instance = try await fixture.driver.describe(launch.instanceID, for: launch.owner)
            try expect(instance.status == .stopped && instance.owner == launch.owner, "\(instance)")
            try expect(instance.disks.map(\.device) == launch.disks.map(\.device), "\(instance.disks)")
            try expect(instance.disks.map(\.sizeBytes) == launch.disks.map(\.sizeBytes), "\(instance.disks)")
            try expect(instance.disks.map(\.autoDelete) == launch.disks.map(\.autoDelete), "\(instance.disks)")
            try expect(!(try await fixture.driver.inventory().contains { $0.kind == .instance }), "a resource is left")
        },
        DriverCheck("an instance whose launch failed after all goes with what it was put together in") { fixture in
            let (launch, replica) = try await fixture.replicated()
            let (made, other) = (try fixture.resource(.instance, "launch"), try fixture.resource(.instance, "other"))
            try await fixture.driver.launch(launch, from: replica, into: made, progress: { _ in })
            try await fixture.driver.publishInstance(launch, from: made)
            try await fixture.driver.launch(launch, from: replica, into: other, progress: { _ in })
            try await expect(.conflict, .permanent) { try await fixture.driver.publishInstance(launch, from: other) }
            try await fixture.driver.rollBackLaunch(other)
            _ = try await fixture.driver.describe(launch.instanceID, for: nil)
            // A worker that saw it only before the publishing, and takes it for an orphan, does no harm.
            try await fixture.driver.delete(made)
            _ = try await fixture.driver.describe(launch.instanceID, for: nil)
            for _ in 0..<2 { try await fixture.driver.rollBackLaunch(made) }
            try await expect(.notFound, .permanent) {
                _ = try await fixture.driver.describe(launch.instanceID, for: nil)
            }
            try await expect(.notFound, .permanent) { try await fixture.driver.publishInstance(launch, from: made) }
        },
    ]
}

extension DriverFixture {
    /// A replica of a system and a data disk, and a launch of both with the second one larger, and an empty third.
    fileprivate func replicated() async throws -> (Launch, Replica) {
        let instance = try await add()
        let system = try await captureSystem(instance.id)
        let data = try await capture("/dev/vdb", of: instance.id, into: try resource(.snapshot, "vdb"))
        let east = try resource(.replica, "east", at: "east")
        let replica = try await driver.replicate([system, data], manifest: [1], into: east, progress: { _ in })
        let size = instance.disks[0].sizeBytes
        let (second, third) = (try value(DeviceName(position: 1)), try value(DeviceName(position: 2)))
        let launch = Launch(
            instanceID: try value(InstanceID("i-launched")).of(keeper),
            owner: try value(Owner("acct-7")),
            requestID: try value(RequestID("r1")),
            location: try value(replica.location),
            disks: [
                LaunchDisk(device: .system, kind: .local, sizeBytes: size, autoDelete: true, from: .system),
                LaunchDisk(device: second, kind: .cloud, sizeBytes: size * 2, autoDelete: false, from: second),
                LaunchDisk(device: third, kind: .cloud, sizeBytes: size, autoDelete: true, from: nil),
            ]
        )
        return (launch, replica)
    }
}
