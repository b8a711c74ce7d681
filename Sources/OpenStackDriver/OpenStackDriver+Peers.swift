package import ImageCore
package import ImageDrivers
import OpenStackClient

/// The cloud as one of several drivers: captures of others, files or in another cloud, are copied into it.
extension OpenStackDriver: PeerDriver {
    package var lends: CaptureAccess { .fetched }

    package func source(of capture: Capture, for replica: Resource) -> any CaptureSource {
        CloudCaptures(driver: self, replica: replica)
    }

    package func replicate(
        _ call: ReplicateCall,
        from source: (Capture) throws(StepFailure) -> any CaptureSource
    ) async throws(StepFailure) -> Replica {
        let target = try target(of: call)
        var sources: [any CaptureSource] = []
        for capture in target.captures {
            let source = try source(capture)
            // What is gone is found before the images of an earlier attempt are deleted.
            _ = try await source.allocatedBytes(of: capture)
            sources.append(source)
        }
        let properties = try await sources[0].hardware(of: target.system)
        let entries = target.captures.map { capture in
            ReplicaSheet.Entry(
                device: capture.device,
                size: Self.gigabytes(capture.virtualSizeBytes),
                autoDelete: true,
                sha256: capture.sha256
            )
        }
        return try await copy(call, to: target, sources, as: ReplicaSheet(flavor: "", disks: entries), properties)
    }

    // MARK: Launches

    /// The image that a disk is made of.
    func content(of entry: ReplicaSheet.Entry, _ replica: CloudImage) async throws(StepFailure) -> CloudImage {
        guard let id = entry.image else { return replica }
        let found = try await unlessMissing("The image of \(entry.device)") { () async throws(OpenStackError) in
            try await cloud.image(id)
        }
        guard let found, found.status == "active" else {
            throw StepFailure(
                .permanent,
                .notFound,
                "The image of \(entry.device) is gone: the replica \(replica.id) cannot be used.",
                advice: "Make the image anew."
            )
        }
        return found
    }

    /// - Returns: its id.
    func standardFlavor(among flavors: [String: CloudFlavor]) throws(StepFailure) -> String {
        guard let name = standardFlavor, let flavor = flavors[name] else {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                standardFlavor.map { "There is no flavor \(PlainText.word($0))." }
                    ?? "The image was not made of a server, so it says no flavor.",
                advice: "Name a flavor of the cloud in the setting openstackFlavor.",
                isFixedByAdvice: true,
                madeNothing: true
            )
        }
        return flavor.id
    }
}

extension ReplicaSheet {
    /// Whether the source was no server of a cloud.
    var isOfFiles: Bool { flavor.isEmpty }

    /// A local disk is Nova's where its source was a server, and it is an image: any other is made as a volume.
    func isVolume(_ disk: LaunchDisk) throws(StepFailure) -> Bool {
        if disk.kind == .cloud || isOfFiles { return true }
        return try entry(disk.from)?.snapshot != nil
    }
}
