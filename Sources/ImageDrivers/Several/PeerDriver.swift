package import ImageCore

/// How other drivers get at the bytes of a driver's captures.
package enum CaptureAccess: Sendable {
    /// They are files of the machine on which they are replicated.
    case files
    /// They are fetched from a cloud.
    case fetched
    /// They have none.
    case nothing

    /// A clause about captures.
    var description: String {
        switch self {
        case .files: "are files"
        case .fetched: "are in a cloud"
        case .nothing: "have no bytes"
        }
    }
}

/// A driver that can be one of several: it lends its captures to the others, and replicates theirs.
package protocol PeerDriver: ImageDriver, ToolTrial {
    /// How others read its captures.
    var lends: CaptureAccess { get }

    /// Which captures of others it can replicate.
    var takes: Set<CaptureAccess> { get }

    /// Where another driver reads a capture of this one, for a replica of its own.
    func source(of capture: Capture, for replica: Resource) throws(StepFailure) -> any CaptureSource

    /// As `replicate`, of captures that another driver made.
    /// - Parameter source: where each is.
    func replicate(
        _ call: ReplicateCall,
        from source: (Capture) throws(StepFailure) -> any CaptureSource
    ) async throws(StepFailure) -> Replica
}

extension PeerDriver {
    package var lends: CaptureAccess { .files }
    package var takes: Set<CaptureAccess> { [.files, .fetched] }
}

/// Folders of files.
extension LocalDriver: PeerDriver {
    package func source(of capture: Capture, for replica: Resource) -> any CaptureSource { OwnCaptures(driver: self) }
}

extension LibvirtDriver: PeerDriver {
    package func source(of capture: Capture, for replica: Resource) -> any CaptureSource { OwnCaptures(driver: local) }

    package func replicate(
        _ call: ReplicateCall,
        from source: (Capture) throws(StepFailure) -> any CaptureSource
    ) async throws(StepFailure) -> Replica {
        try await local.replicate(call, from: source)
    }
}

extension LibvirtSite: PeerDriver {
    package func source(of capture: Capture, for replica: Resource) throws(StepFailure) -> any CaptureSource {
        try source(of: capture)
    }

    package func replicate(
        _ call: ReplicateCall,
        from source: (Capture) throws(StepFailure) -> any CaptureSource
    ) async throws(StepFailure) -> Replica {
        try requireReach(call.resource)
        return try await local.replicate(call, from: source)
    }
}

/// It has no bytes to lend, and none to keep.
extension SimulatedDriver: PeerDriver {
    package var lends: CaptureAccess { .nothing }
    package var takes: Set<CaptureAccess> { [] }

    package func source(of capture: Capture, for replica: Resource) throws(StepFailure) -> any CaptureSource {
        throw StepFailure(.permanent, .failedPrecondition, "Captures of the simulated driver have no bytes.")
    }

    package func replicate(
        _ call: ReplicateCall,
        from source: (Capture) throws(StepFailure) -> any CaptureSource
    ) async throws(StepFailure) -> Replica {
        throw StepFailure(.permanent, .failedPrecondition, "Replicas of the simulated driver have no bytes.")
    }
}
