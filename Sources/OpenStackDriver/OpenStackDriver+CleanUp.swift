public import ImageCore
import ImageDrivers
import OpenStackClient

/// What Goldsmith has made is found by its marks alone. Gone is what the cloud answers 404 for, not what it took a
/// deletion of.
extension OpenStackDriver {
    public func delete(_ resource: Resource) async throws(StepFailure) {
        try await clear(resource)
        try await unlockServers(for: resource)
    }

    /// Deletes all that has a resource's marks.
    func clear(_ resource: Resource) async throws(StepFailure) {
        let subject = "\(resource.id)"
        if resource.kind == .replica { try requirePlace(resource) }
        let marks = scope.marks(of: resource.id)
        switch resource.kind {
        case .instance:
            try await deleteImages(marks, subject)
            try await deleteParts(of: resource)
        case .replica:
            // First what stands for it: what is left must not look like a whole one.
            try await deleteImages(marks, subject) { $0.properties[CloudMark.part] == nil }
            // Volumes may depend on images, in Ceph.
            try await deleteCopies(marks, subject)
            try await deleteImages(marks, subject)
        case .imageFile, .snapshot:
            try await deleteImages(marks, subject)
            // A volume that was made of the snapshot may depend on it, in Ceph.
            try await deleteVolumes(marks, subject)
            try await deleteSnapshots(marks, subject)
        }
    }

    /// A location that is not in the settings any more is not "already gone".
    @discardableResult
    func requirePlace(_ resource: Resource) throws(StepFailure) -> (LocationName, CloudPlace) {
        guard let location = resource.location, let place = places[location] else {
            throw StepFailure(
                .permanent,
                .notFound,
                "There is no location \(resource.location?.text ?? "without a name").",
                advice: "Choose one of: \(places.keys.map(\.text).sorted().joined(separator: ", "))."
            )
        }
        return (location, place)
    }

    /// Of a launch that was not published: its volumes. Once a server has them, they are its owner's.
    private func deleteParts(of resource: Resource) async throws(StepFailure) {
        let subject = "\(resource.id)"
        guard try await launchedServer(of: resource) == nil else { return }
        let volumes = try await asking(subject) { () async throws(OpenStackError) in
            try await cloud.volumes(with: scope.marks(of: resource.id))
        }
        for volume in volumes where volume.metadata[CloudMark.published] != CloudMark.yes {
            try await deleteVolume(volume.id)
        }
    }

    /// Our images that have all of `marks`, and none to which those were handed on.
    func images(with marks: [String: String]) async throws(OpenStackError) -> [CloudImage] {
        try await cloud.images(with: marks).filter(scope.isOurs)
    }

    func deleteImages(
        _ marks: [String: String],
        _ subject: String,
        within limit: Duration = longestDeletion,
        where isWanted: (CloudImage) -> Bool = { _ in true }
    ) async throws(StepFailure) {
        let found = try await asking(subject) { () async throws(OpenStackError) in try await images(with: marks) }
        for image in found where isWanted(image) { try await deleteImage(image.id, within: limit) }
    }

    func deleteImage(_ id: String, within limit: Duration = longestDeletion) async throws(StepFailure) {
        try await untilGone(
            "Glance's image \(id)",
            within: limit,
            delete: { () async throws(OpenStackError) in try await cloud.deleteImage(id) },
            look: { () async throws(OpenStackError) in try await cloud.image(id).status }
        )
    }

    func deleteSnapshots(_ marks: [String: String], _ subject: String) async throws(StepFailure) {
        let snapshots = try await asking(subject) { () async throws(OpenStackError) in
            try await cloud.snapshots(with: marks)
        }
        for snapshot in snapshots {
            try await untilGone(
                "Cinder's snapshot \(snapshot.id)",
                advice: Self.adviceIfForgotten(snapshot.id),
                delete: { () async throws(OpenStackError) in try await cloud.deleteSnapshot(snapshot.id) },
                look: { () async throws(OpenStackError) in try await cloud.snapshot(snapshot.id).status }
            )
        }
    }

    /// Snapshots, and the volumes that they are of.
    private func deleteCopies(_ marks: [String: String], _ subject: String) async throws(StepFailure) {
        try await deleteSnapshots(marks, subject)
        do throws(StepFailure) {
            try await deleteVolumes(marks, subject)
        } catch  where error.code == .unavailable {
            // A request that was on its way when its attempt was stopped has made one more meanwhile.
            try await deleteSnapshots(marks, subject)
            try await deleteVolumes(marks, subject)
        }
    }

    func deleteVolumes(
        _ marks: [String: String],
        _ subject: String,
        within limit: Duration = longestDeletion
    ) async throws(StepFailure) {
        let volumes = try await asking(subject) { () async throws(OpenStackError) in
            try await cloud.volumes(with: marks)
        }
        for volume in volumes { try await deleteVolume(volume.id, within: limit) }
    }

    func deleteVolume(_ id: String, within limit: Duration = longestDeletion) async throws(StepFailure) {
        try await untilGone(
            "Cinder's volume \(id)",
            within: limit,
            delete: { () async throws(OpenStackError) in try await cloud.deleteVolume(id) },
            look: { () async throws(OpenStackError) in try await cloud.volume(id).status }
        )
    }

    static let longestDeletion = Duration.seconds(600)

    /// Asks for the deletion until there is nothing. A refusal because of a state that passes (400 and 409 of what is
    /// being made or deleted) is waited for.
    private func untilGone(
        _ what: String,
        within limit: Duration = longestDeletion,
        advice: String = "See the cloud's own logs of it.",
        delete: () async throws(OpenStackError) -> Void,
        look: () async throws(OpenStackError) -> String
    ) async throws(StepFailure) {
        var isAsked = false
        var looks = 0
        try await waiting(for: "The deletion of \(what)", within: limit, advice: advice) {
            () async throws(StepFailure) -> Void? in
            var refusal: OpenStackError?
            if !isAsked {
                do throws(OpenStackError) {
                    try await delete()
                    isAsked = true
                } catch  where error.kind == .notFound {
                    return ()
                } catch {
                    guard error.kind == .refused || error.kind == .conflict || error.leavesDoubt else {
                        throw .cloud(error, what)
                    }
                    refusal = error
                }
            }
            let status = try await unlessMissing(what, look)
            guard let status, status != "deleted" else { return () }
            if status.hasPrefix("error"), isAsked {
                throw StepFailure(
                    .transient,
                    .unavailable,
                    "\(what) cannot be deleted now: it is \(PlainText.word(status)).",
                    advice: "See what still depends on it, and the logs of cinder-volume.",
                    isFixedByAdvice: true
                )
            }
            let isPassing =
                status.hasSuffix("ing") && !status.hasPrefix("error") || ["queued", "reserved"].contains(status)
            if let refusal, !isPassing, !refusal.leavesDoubt {
                throw Self.undeletable(what, "the cloud answers \"\(PlainText.sentence(refusal.message))\"")
            }
            // Cinder gives up a deletion that its backend refuses, and says so by the status before.
            looks += isAsked && !isPassing ? 1 : 0
            guard looks < 3 else { throw Self.undeletable(what, "it is \(PlainText.word(status)) again") }
            return nil
        }
    }

    /// It can change: whatever depends on it may go.
    private static func undeletable(_ what: String, _ reason: String) -> StepFailure {
        StepFailure(
            .transient,
            .unavailable,
            "\(what) cannot be deleted: \(reason).",
            advice: "See what still depends on it.",
            isFixedByAdvice: true
        )
    }

    /// A worker that died in a capture has left its lock.
    private func unlockServers(for resource: Resource) async throws(StepFailure) {
        guard resource.kind == .imageFile || resource.kind == .snapshot else { return }
        let reason = scope.lockReason(resource)
        for server in try await lockedServers() where server.lockedReason == reason {
            // The one that is just making it has this lock too, and takes it again.
            try await asking("Server \(server.id)") { () async throws(OpenStackError) in
                try await Self.unlock(server.id, lockedFor: reason, cloud)
            }
        }
    }

    private func lockedServers() async throws(StepFailure) -> [CloudServer] {
        try await asking("The list of servers") { () async throws(OpenStackError) in
            try await cloud.servers([("locked", "true")])
        }
    }

    public func inventory() async throws(StepFailure) -> [Resource] {
        let mark = [CloudMark.scope: scope.name]
        let subject = "The inventory"
        var found = Set(try await lockedServers().compactMap { scope.resource(lockedFor: $0.lockedReason) })
        try await asking(subject) { () async throws(OpenStackError) in
            for image in try await images(with: mark) {
                if let one = scope.resource(image.properties) { found.insert(one) }
            }
            for row in try await cloud.snapshots(with: mark) {
                if let one = scope.resource(row.metadata) { found.insert(one) }
            }
            for volume in try await cloud.volumes(with: mark)
            where volume.metadata[CloudMark.published] != CloudMark.yes {
                if let one = scope.resource(volume.metadata) { found.insert(one) }
            }
        }
        return found.sorted { $0.id < $1.id }
    }
}
