/// The calls of a driver that copy disks. Each reports its progress at least once a second while bytes flow, from any
/// thread, and writes to `resource` alone.
public struct CaptureCall: Sendable {
    public var device: DeviceName
    public var instance: InstanceID
    /// An image file or a snapshot.
    public var resource: Resource
    /// For a system disk: whether the guest's files are fixed (`GuestFacts.edits`), on the copy only and before it is
    /// hashed. What was changed is in the capture's `guestFix`.
    public var fixesGuest: Bool
    public var progress: @Sendable (CopyProgress) -> Void
}

public struct ReplicateCall: Sendable {
    public var captures: [Capture]
    /// Written last.
    public var manifest: [UInt8]
    /// A replica.
    public var resource: Resource
    public var progress: @Sendable (CopyProgress) -> Void
}

public struct ConvertCall: Sendable {
    public var capture: Capture
    /// A snapshot.
    public var resource: Resource
    public var progress: @Sendable (CopyProgress) -> Void
}

public struct LaunchCall: Sendable {
    public var launch: Launch
    public var replica: Replica
    /// Where the new instance's disks are put together.
    public var resource: Resource
    public var progress: @Sendable (CopyProgress) -> Void
}

/// The same calls spelt out, for callers. A driver implements the other form.
extension ImageDriver {
    public func capture(
        _ device: DeviceName,
        of instance: InstanceID,
        into resource: Resource,
        fixesGuest: Bool = false,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> Capture {
        try await capture(
            CaptureCall(
                device: device,
                instance: instance,
                resource: resource,
                fixesGuest: fixesGuest,
                progress: progress
            )
        )
    }

    public func replicate(
        _ captures: [Capture],
        manifest: [UInt8],
        into resource: Resource,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> Replica {
        try await replicate(
            ReplicateCall(captures: captures, manifest: manifest, resource: resource, progress: progress)
        )
    }

    public func convert(
        _ capture: Capture,
        into resource: Resource,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> Capture {
        try await convert(ConvertCall(capture: capture, resource: resource, progress: progress))
    }

    public func launch(
        _ launch: Launch,
        from replica: Replica,
        into resource: Resource,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) {
        try await self.launch(LaunchCall(launch: launch, replica: replica, resource: resource, progress: progress))
    }
}
