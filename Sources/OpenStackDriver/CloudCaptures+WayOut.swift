import ImageCore
import Logging
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

    /// Deletes this attempt's, for what it takes of the quotas. Whether that succeeds decides nothing: the next attempt
    /// tries it again, and the capture's clean-up insists.
    func leaveWayOut(of capture: Capture) async {
        let own = ownMarks(of: capture)
        // A worker that stops is not to wait for Cinder, which still writes the image.
        let limit = Duration.seconds(Task.isCancelled ? 10 : 60)
        // Unstructured on purpose: where the worker stops or was overtaken, no other attempt may come to do it.
        await Task {
            do throws(StepFailure) {
                try await driver.deleteImages(own, "\(replica.id)", within: limit)
                try await driver.deleteVolumes(own, "\(replica.id)", within: limit)
            } catch {
                warn(error, capture)
            }
        }
        .value
    }

    private func warn(_ failure: StepFailure, _ capture: Capture) {
        driver.logger.warning(
            "what a snapshot was read by is left to the clean-up",
            metadata: ["resource": "\(capture.resource.id)", "error": "\(failure.message)"]
        )
    }

    /// Deletes what earlier attempts have left. One of them may still be at work and not know that it was overtaken: it
    /// fails then, and must not do the same to a later one.
    /// - Returns: whether they are gone; not while Cinder is still making an image, for example.
    func deleteEarlierWaysOut(of capture: Capture) async throws(StepFailure) -> Bool {
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
        do throws(StepFailure) {
            for image in images { try await driver.deleteImage(image.id, within: .seconds(10)) }
            for volume in volumes { try await driver.deleteVolume(volume.id, within: .seconds(10)) }
            return true
        } catch {
            guard error.code != .cancelled else { throw error }
            warn(error, capture)
            return false
        }
    }

    func export(_ snapshot: CloudSnapshot, of capture: Capture) async throws(StepFailure) -> CloudImage {
        let (cloud, subject, own) = (driver.cloud, "\(capture.resource.id)", ownMarks(of: capture))
        let isRoomOurs = try await deleteEarlierWaysOut(of: capture)
        let (all, name) = (
            driver.scope.marks(of: capture.resource).merging(own) { $1 }, MarkScope.imageName(of: capture.resource.id)
        )
        let wanted = CloudVolumeRequest(
            name: name,
            gigabytes: snapshot.size,
            content: .snapshot(snapshot.id),
            type: snapshot.metadata[CloudMark.volumeType],
            marks: all
        )
        let room = [(gigabytes: wanted.gigabytes, type: wanted.type)]
        let volume: String
        do throws(StepFailure) {
            try await driver.requireRoom(volumes: room, subject)
            volume = try await driver.makeVolume(wanted, own, subject)
        } catch {
            let failure = await driver.named(error, volumes: room, subject)
            throw isRoomOurs ? failure : failure.whileEarlierOnesTakeRoom
        }
        try await driver.awaitVolume(volume, subject)
        // So that no image is without them, even for a moment.
        try await asking(subject) { () async throws(OpenStackError) in
            try await cloud.setImageProperties(all, ofVolume: volume)
        }
        let image = try await beginImage(of: volume, name, own, subject)
        return try await waiting(for: "The image of volume \(volume)", within: driver.timeout) {
            () async throws(StepFailure) -> CloudImage? in
            // In this order: the volume is free again when its image is whole.
            let from = try await unlessMissing(subject) { () async throws(OpenStackError) in
                try await cloud.volume(volume)
            }
            let made = try await unlessMissing(subject) { () async throws(OpenStackError) in
                try await cloud.image(image)
            }
            if let made, made.status == "active" { return made }
            guard let from, made != nil else {
                throw StepFailure(
                    .transient,
                    .unavailable,
                    "The image of \(capture.device) that Cinder was making is gone.",
                    advice: "See the logs of cinder-volume and Glance."
                )
            }
            guard from.status == "uploading" else {
                throw try await driver.failed("The volume that \(capture.device) is read from", from.status, volume)
            }
            return nil
        }
    }

    /// Cinder answers whatever keeps it from Glance, or Glance from taking an image, as if the request were wrong.
    private func beginImage(
        of volume: String,
        _ name: String,
        _ own: [String: String],
        _ subject: String
    ) async throws(StepFailure) -> String {
        do throws(StepFailure) {
            return try await driver.once(
                subject,
                { () async throws(OpenStackError) in
                    try await driver.cloud.makeImage(named: name, ofVolume: volume)
                },
                orFound: { () async throws(OpenStackError) in try await driver.images(with: own).first?.id }
            )
        } catch {
            guard error.disposition == .permanent, error.code == .failedPrecondition else { throw error }
            var failure = error
            (failure.disposition, failure.code) = (.transient, .unavailable)
            throw failure
        }
    }
}
