/// The calls of a driver that copy disks. Each reports its progress at least once a second while bytes flow, from any
/// thread, and writes to `resource` alone.
public struct CaptureCall: Sendable {
    public var device: DeviceName
    public var instance: InstanceID
    /// An image file or a snapshot.
    public var resource: Resource
    /// For a system disk: what is done in the guest, on the copy only and before it is hashed. The capture's `guestFix`,
    /// `seal` and `secrets` say what came of it.
    public var guestWork: GuestWork
    public var progress: @Sendable (CopyProgress) -> Void
}

public struct ReplicateCall: Sendable {
    public var captures: [Capture]
    /// Verified replicas of the same captures, nearest first. Where a driver copies from another host it takes the first
    /// that can serve, and the captures if none can. Empty: the captures serve.
    public var sources: [Replica]
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
        guestWork: GuestWork = GuestWork(),
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> Capture {
        try await capture(
            CaptureCall(
                device: device,
                instance: instance,
                resource: resource,
                guestWork: guestWork,
                progress: progress
            )
        )
    }

    public func replicate(
        _ captures: [Capture],
        from sources: [Replica] = [],
        manifest: [UInt8],
        into resource: Resource,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) -> Replica {
        try await replicate(
            ReplicateCall(
                captures: captures,
                sources: sources,
                manifest: manifest,
                resource: resource,
                progress: progress
            )
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
