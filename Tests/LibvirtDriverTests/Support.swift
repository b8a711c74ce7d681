import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

/// What a test needs to exist.
func known<Value>(_ value: Value?, sourceLocation: SourceLocation = #_sourceLocation) throws -> Value {
    try #require(value, sourceLocation: sourceLocation)
}

func resource(_ kind: Resource.Kind, _ part: String, at location: String? = nil) throws -> Resource {
    let image = try known(ImageID("img-1"))
    return Resource(
        id: ResourceID(image: image, part: part, fence: 1),
        kind: kind,
        imageID: image,
        location: try location.map { try known(LocationName($0)) }
    )
}

/// Runs what must be refused and returns the refusal.
func refusal(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
) async throws -> StepFailure {
    do {
        try await body()
    } catch let failure as StepFailure {
        return failure
    }
    Issue.record("nothing was refused", sourceLocation: sourceLocation)
    throw ConformanceFailure("nothing was refused")
}

extension LibvirtScratch {
    func describe(_ id: String) async throws -> Instance { try await driver.describe(try known(InstanceID(id))) }

    func checkDisk(_ device: DeviceName = .system, of id: String) async throws {
        try await driver.checkDisk(device, of: try known(InstanceID(id)))
    }

    @discardableResult
    func captureSystem(
        _ id: String,
        progress: @escaping @Sendable (CopyProgress) -> Void = { _ in }
    ) async throws -> Capture {
        try await driver.capture(
            .system,
            of: try known(InstanceID(id)),
            into: try resource(.imageFile, "vda"),
            progress: progress
        )
    }

    /// An image of the domain's system disk at east, and a launch of it.
    func replicated(_ id: String, as instance: String = "web2") async throws -> (Launch, Replica) {
        let capture = try await captureSystem(id)
        let replica = try await driver.replicate(
            [capture],
            manifest: [1],
            into: try resource(.replica, "east", at: "east"),
            progress: { _ in }
        )
        let launch = Launch(
            instanceID: try known(InstanceID(instance)),
            owner: try known(Owner("acct-7")),
            requestID: try known(RequestID("r1")),
            location: replica.location,
            disks: [
                LaunchDisk(
                    device: .system,
                    kind: .local,
                    sizeBytes: capture.virtualSizeBytes,
                    autoDelete: true,
                    from: .system
                )
            ]
        )
        return (launch, replica)
    }
}

/// For suites that need a libvirt host.
let needsHost: Comment = "\(TestLibvirt.obstacle ?? "")"
