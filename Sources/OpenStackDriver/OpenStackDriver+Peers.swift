package import ImageCore
package import ImageDrivers
import OpenStackClient

/// The cloud as one of several drivers: captures that are files elsewhere become images in Glance, one for each disk.
///
/// The one of the system disk is the replica, and comes last: while it is not active, nothing is whole. The others have
/// the same marks, and are found and deleted with it.
extension OpenStackDriver: PeerDriver {
    package var lends: CaptureAccess { .fetched }
    package var takes: Set<CaptureAccess> { [.files] }

    package func source(of capture: Capture, for replica: Resource) -> any CaptureSource {
        CloudCaptures(driver: self, replica: replica)
    }

    package func replicate(
        _ call: ReplicateCall,
        from source: (Capture) throws(StepFailure) -> any CaptureSource
    ) async throws(StepFailure) -> Replica {
        let (resource, ordered) = (call.resource, call.captures.sorted { $0.device < $1.device })
        try requirePlace(resource)
        guard resource.kind == .replica, let location = resource.location, let system = ordered.first,
            system.device.isSystem, Set(ordered.map(\.device)).count == ordered.count,
            call.manifest.count <= Self.largestProperty
        else {
            throw StepFailure(.permanent, .invalidArgument, "A replica has a system disk, and each device once.")
        }
        var files: [FilePieces] = []
        for capture in ordered { files.append(try await source(capture).pieces(of: capture)) }
        try await clear(resource)

        let gauge = ProgressGauge(totalBytes: ordered.reduce(0) { $0 + $1.fileSizeBytes }, call.progress)
        var entries = [ReplicaSheet.Entry(system, image: nil)]
        for (capture, file) in zip(ordered, files).dropFirst() {
            let id = try await queue(
                resource,
                part: capture.device.description,
                format: Self.format(of: capture),
                minDisk: Self.gigabytes(capture.virtualSizeBytes),
                scope.marks(of: resource)
            )
            try await send(file, of: capture, to: id, at: location, gauge)
            entries.append(ReplicaSheet.Entry(capture, image: id))
        }
        var marks = scope.marks(of: resource)
        marks[CloudMark.disks] = try ReplicaSheet(flavor: "", disks: entries).text()
        marks[CloudMark.manifest] = String(decoding: call.manifest, as: UTF8.self)
        if try await source(system).startsWithUEFI(system) { marks["hw_firmware_type"] = "uefi" }
        let id = try await queue(
            resource,
            format: Self.format(of: system),
            minDisk: Self.gigabytes(system.virtualSizeBytes),
            marks
        )
        try await send(files[0], of: system, to: id, at: location, gauge)
        gauge.finish()
        return Replica(
            resource: resource,
            location: location,
            files: call.captures.map {
                Replica.File(
                    device: $0.device,
                    name: "\($0.device.shortName).\(Self.format(of: $0))",
                    sizeBytes: $0.fileSizeBytes,
                    sha256: $0.sha256
                )
            }
        )
    }

    private static func format(of capture: Capture) -> String { (capture.format ?? .qcow2).rawValue }

    /// The image becomes active only with the capture's bytes.
    private func send(
        _ file: FilePieces,
        of capture: Capture,
        to image: String,
        at location: LocationName,
        _ gauge: ProgressGauge
    ) async throws(StepFailure) {
        let sums = ContentSums()
        do throws(OpenStackError) {
            try await cloud.upload(
                file,
                to: image,
                bytes: file.sizeBytes,
                each: { piece in
                    sums.add(piece)
                    gauge.add(Int64(piece.count))
                },
                isWanted: { sums.sha256 == capture.sha256 }
            )
        } catch {
            if let failure = file.failure { throw failure }
            guard error.kind == .contentRefused else { throw .cloud(error, "The copy of \(capture.device)") }
            throw .differs(capture, at: location, sha256: sums.sha256)
        }
        try await requireStored(sums, in: image, "The copy of \(capture.device)")
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

extension CaptureSource {
    /// Whether the machine of a system disk has UEFI, where that is known.
    fileprivate func startsWithUEFI(_ capture: Capture) async throws(StepFailure) -> Bool {
        try await machineFile(.firmwareVariables, beside: capture) != nil
    }
}

extension ReplicaSheet {
    /// Whether the source was no server of a cloud.
    var isOfFiles: Bool { flavor.isEmpty }

    /// A local disk is Nova's where its source was a server: any other is made as a volume.
    func isVolume(_ disk: LaunchDisk) -> Bool { disk.kind == .cloud || isOfFiles }
}

extension ReplicaSheet.Entry {
    fileprivate init(_ capture: Capture, image: String?) {
        self.init(
            device: capture.device,
            size: OpenStackDriver.gigabytes(capture.virtualSizeBytes),
            autoDelete: true,
            snapshot: nil,
            image: image,
            volumeType: nil,
            sha256: capture.sha256
        )
    }
}
