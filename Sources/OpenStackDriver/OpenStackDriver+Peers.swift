package import ImageCore
package import ImageDrivers
import OpenStackClient

/// The cloud as one of several drivers: captures of others, files or in another cloud, become images in Glance, one for
/// each disk.
///
/// The one of the system disk is the replica, and comes last: until it is active and has the manifest, nothing is whole.
/// The others have the same marks, and are found and deleted with it.
extension OpenStackDriver: PeerDriver {
    package var lends: CaptureAccess { .fetched }

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
        var sources: [any CaptureSource] = []
        for capture in ordered {
            let source = try source(capture)
            // What is gone is found before the images of an earlier attempt are deleted.
            _ = try await source.allocatedBytes(of: capture)
            sources.append(source)
        }
        var properties = try await sources[0].bootsWithUEFI(system) ? ["hw_firmware_type": "uefi"] : [:]
        try await clear(resource)

        let gauge = ProgressGauge(totalBytes: ordered.reduce(0) { $0 + $1.fileSizeBytes }, call.progress)
        var entries: [ReplicaSheet.Entry] = []
        var files: [Replica.File] = []
        for (capture, source) in zip(ordered, sources).dropFirst() {
            let sent = try await send(capture, from: source, to: resource, at: location, gauge)
            entries.append(ReplicaSheet.Entry(capture, image: sent.image, sha256: sent.file.sha256))
            files.append(sent.file)
        }
        // The checksum of a snapshot's bytes is not known before they are sent.
        let isKnown = system.format != .cinderSnapshot
        if isKnown { properties.merge(try Self.described(system.sha256, entries, files, call)) { $1 } }
        let sent = try await send(system, from: sources[0], to: resource, at: location, gauge, properties)
        files.append(sent.file)
        if !isKnown {
            let described = try Self.described(sent.file.sha256, entries, files, call)
            try await asking("\(resource.id)") { () async throws(OpenStackError) in
                try await cloud.setProperties(described, ofImage: sent.image)
            }
        }
        gauge.finish()
        let byDevice = Dictionary(files.map { ($0.device, $0) }) { first, _ in first }
        return Replica(resource: resource, location: location, files: call.captures.compactMap { byDevice[$0.device] })
    }

    /// What makes the system disk's image a replica.
    private static func described(
        _ sha256: String,
        _ others: [ReplicaSheet.Entry],
        _ files: [Replica.File],
        _ call: ReplicateCall
    ) throws(StepFailure) -> [String: String] {
        let system = call.captures.filter { $0.device.isSystem }.map {
            ReplicaSheet.Entry($0, image: nil, sha256: sha256)
        }
        let manifest = try Manifest.describing(files, of: call.captures, in: call.manifest)
        return [
            CloudMark.disks: try ReplicaSheet(flavor: "", disks: system + others).text(),
            CloudMark.manifest: String(decoding: manifest, as: UTF8.self),
        ]
    }

    /// Makes an image of a capture, which becomes active only with the capture's bytes.
    private func send(
        _ capture: Capture,
        from source: any CaptureSource,
        to resource: Resource,
        at location: LocationName,
        _ gauge: ProgressGauge,
        _ properties: [String: String] = [:]
    ) async throws(StepFailure) -> (image: String, file: Replica.File) {
        try await source.reading(capture) { content throws(StepFailure) in
            let image = try await queue(
                resource,
                part: capture.device.isSystem ? nil : capture.device.description,
                format: content.format.rawValue,
                minDisk: Self.gigabytes(capture.virtualSizeBytes),
                properties.merging(scope.marks(of: resource)) { $1 }
            )
            let sums = ContentSums()
            do throws(OpenStackError) {
                try await cloud.upload(
                    content.pieces,
                    to: image,
                    bytes: content.sizeBytes,
                    each: { piece in
                        sums.add(piece)
                        gauge.add(Int64(piece.count))
                    },
                    isWanted: { content.isWanted(sums.sha256, sums.sha512) }
                )
            } catch {
                if let failure = content.failure() { throw failure }
                guard error.kind == .contentRefused else { throw .cloud(error, "The copy of \(capture.device)") }
                guard capture.format != .cinderSnapshot else { throw .notAsStored(capture) }
                throw .differs(capture, at: location, sha256: sums.sha256)
            }
            try await requireStored(sums, in: image, "The copy of \(capture.device)")
            gauge.add(capture.fileSizeBytes - content.sizeBytes)
            let file = Replica.File(
                device: capture.device,
                name: "\(capture.device.shortName).\(content.format.rawValue)",
                sizeBytes: content.sizeBytes,
                sha256: sums.sha256
            )
            return (image, file)
        }
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

    /// A local disk is Nova's where its source was a server: any other is made as a volume.
    func isVolume(_ disk: LaunchDisk) -> Bool { disk.kind == .cloud || isOfFiles }
}

extension ReplicaSheet.Entry {
    fileprivate init(_ capture: Capture, image: String?, sha256: String) {
        self.init(
            device: capture.device,
            size: OpenStackDriver.gigabytes(capture.virtualSizeBytes),
            autoDelete: true,
            snapshot: nil,
            image: image,
            volumeType: nil,
            sha256: sha256
        )
    }
}
