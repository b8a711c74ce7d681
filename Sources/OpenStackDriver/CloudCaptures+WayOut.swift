import ImageCore
import OpenStackClient

/// A snapshot has no bytes to fetch: a volume is made of it, and an image of that, which is fetched. Both have the
/// capture's marks, so its deletion deletes them too, and marks of their own, by which attempts tell theirs apart.
extension CloudCaptures {
    /// What all ways out of a capture for the location have, whichever attempt made them.
    private func marks(of capture: Capture) -> [String: String] {
        var marks = driver.scope.marks(of: capture.resource.id)
        marks[CloudMark.wayOut] = replica.location?.text
        return marks
    }

    /// What this attempt's has.
    private func ownMarks(of capture: Capture) -> [String: String] {
        marks(of: capture).merging([CloudMark.replica: replica.id.text]) { $1 }
    }

    func deleteWayOut(of capture: Capture) async throws(StepFailure) {
        let own = ownMarks(of: capture)
        try await driver.deleteImages(own, "\(replica.id)")
        try await driver.deleteVolumes(own, "\(replica.id)")
    }

    /// Deletes what earlier attempts have left. One of them may still be at work and not know that it was overtaken: it
    /// fails then, and must not do the same to a later one.
    private func deleteEarlierWaysOut(of capture: Capture) async throws(StepFailure) {
        let (marks, subject) = (marks(of: capture), "\(replica.id)")
        let (images, volumes) = try await asking(subject) { () async throws(OpenStackError) in
            (try await driver.images(with: marks), try await driver.cloud.volumes(with: marks))
        }
        let attempts = images.map { $0.properties[CloudMark.replica] } + volumes.map { $0.metadata[CloudMark.replica] }
        let latest = attempts.compactMap { $0.flatMap { ResourceID($0)?.fence } }.max() ?? 0
        guard latest <= replica.id.fence ?? 0 else {
            throw StepFailure(
                .transient,
                .unavailable,
                "A later attempt reads the capture of \(capture.device) for \(replica.location?.text ?? "")."
            )
        }
        for image in images { try await driver.deleteImage(image.id) }
        for volume in volumes { try await driver.deleteVolume(volume.id, subject) }
    }

    func export(_ snapshot: CloudSnapshot, of capture: Capture) async throws(StepFailure) -> CloudImage {
        let (cloud, subject, own) = (driver.cloud, "\(capture.resource.id)", ownMarks(of: capture))
        try await deleteEarlierWaysOut(of: capture)
        let room = [(gigabytes: snapshot.size, type: snapshot.metadata[CloudMark.volumeType])]
        try await driver.requireRoom(volumes: room, subject)
        let (all, name) = (
            driver.scope.marks(of: capture.resource).merging(own) { $1 }, MarkScope.imageName(of: capture.resource.id)
        )
        let wanted = CloudVolumeRequest(
            name: name,
            gigabytes: snapshot.size,
            content: .snapshot(snapshot.id),
            type: room[0].type,
            marks: all
        )
        let volume: String
        do throws(StepFailure) { volume = try await driver.makeVolume(wanted, own, subject) } catch {
            throw await driver.named(error, volumes: room, subject)
        }
        try await driver.awaitVolume(volume, subject)
        // So that no image is without them, even for a moment. Of a launched server's volume, they replace the replica's.
        let properties = all.merging([CloudMark.location: "", CloudMark.part: ""]) { $1 }
        try await asking(subject) { () async throws(OpenStackError) in
            try await cloud.setImageProperties(properties, ofVolume: volume)
        }
        let image = try await driver.once(
            subject,
            { () async throws(OpenStackError) in try await cloud.makeImage(named: name, ofVolume: volume) },
            orFound: { () async throws(OpenStackError) in try await driver.images(with: own).first?.id }
        )
        return try await waiting(for: "The image of volume \(volume)", within: driver.timeout) {
            () async throws(StepFailure) -> CloudImage? in
            let found = try await asking(subject) { () async throws(OpenStackError) in try await cloud.image(image) }
            if found.status == "active" { return found }
            guard ["queued", "saving", "importing"].contains(found.status) else {
                throw StepFailure(
                    .transient,
                    .unavailable,
                    "Cinder's image of \(capture.device) is \(PlainText.word(found.status)).",
                    advice: "See the logs of cinder-volume and Glance."
                )
            }
            return nil
        }
    }
}
