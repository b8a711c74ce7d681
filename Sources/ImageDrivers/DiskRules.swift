package import ImageCore

/// What every driver says of an instance and its disks, in the same words.
package enum DiskRules {
    /// A local system disk becomes an image file, a cloud disk a snapshot, and a local data disk nothing.
    package static func requireFit(
        _ disk: DiskKind,
        _ device: DeviceName,
        _ kind: Resource.Kind,
        _ subject: FailureSubject
    ) throws(StepFailure) {
        switch (disk, kind) {
        case (.local, _) where !device.isSystem:
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "\(subject) is a local disk: local data disks cannot be snapshotted.",
                advice: "Leave it out of the image, or move its data to a cloud disk."
            )
        case (.local, .imageFile), (.cloud, .snapshot):
            return
        case (.local, _), (.cloud, _):
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "\(subject) is a \(disk.rawValue) disk: it cannot become a \(kind.rawValue)."
            )
        }
    }
}

extension StepFailure {
    package static func notStopped(_ id: InstanceID, _ status: InstanceStatus) -> StepFailure {
        StepFailure(
            .permanent,
            .failedPrecondition,
            "Instance \(id) is \(status), not Stopped.",
            advice: "Stop the instance, keep it stopped until its disks are captured, then retry the image."
        )
    }

    package static func notBuilt(_ id: InstanceID) -> StepFailure {
        StepFailure(.permanent, .notFound, "What was put together for instance \(id) is gone.")
    }

    package static func exists(_ id: InstanceID) -> StepFailure {
        StepFailure(.permanent, .conflict, "There is another instance \(id) already.")
    }

    package static func noSnapshot(_ resource: Resource) -> StepFailure {
        StepFailure(.permanent, .invalidArgument, "\(resource.id) is not a snapshot.")
    }

    /// A copy within the storage differs from its source.
    package static func rotten(_ capture: Capture, sha256: String) -> StepFailure {
        StepFailure(
            .transient,
            .unavailable,
            "The copy of \(capture.resource.id) differs from it: its SHA-256 is \(sha256), the original's was \(capture.sha256).",
            advice: "If it happens again, the image's file or the disk under it is damaged: make the image anew."
        )
    }

    package static func differs(_ capture: Capture, at location: LocationName, sha256: String) -> StepFailure {
        StepFailure(
            .transient,
            .unavailable,
            "The copy of \(capture.device) at location \(location) differs from its capture: its SHA-256 is \(sha256), "
                + "the capture's was \(capture.sha256).",
            advice: "If it happens again, the capture or the disk under it is damaged: make the image anew."
        )
    }
}
