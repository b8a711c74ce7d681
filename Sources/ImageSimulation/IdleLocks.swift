import ImageCore

/// Checks again and again for an image that waits for an unlocked instance. Releasing the locks should have woken it;
/// otherwise only the retry queues bring it on.
struct IdleLocks {
    let world: World

    /// Short beside the time in which the retry queues would bring it on.
    private static let pause = Duration.seconds(5)

    func watch() async {
        var before: Set<String> = []
        while (try? await world.time.sleep(for: Self.pause)) != nil {
            guard let now = try? await idle() else { continue }
            // The same wait twice: it was not just about to be ended.
            if let stuck = before.intersection(now).min() { return world.violate(.idleLocks, stuck) }
            before = now
        }
    }

    /// Unlocked instances whose images all wait; each with what distinguishes this wait from the next.
    private func idle() async throws -> Set<String> {
        let pending = try await world.store.images(ImageQuery(status: .pending, limit: .max))
        let held = Set(try await world.store.locks().map(\.key))
        let needy = Dictionary(grouping: pending.filter { $0.plan.conversion == nil }, by: \.plan.instanceKey)
        let idle = needy.filter { key, images in !held.contains(key) && images.allSatisfy(\.waitsForItsTurn) }
        return Set(
            idle.map { key, images in
                let waits = images.map { "\($0.id) since \($0.updatedAt.rfc3339)" }.sorted()
                return "nobody has \(key), and " + waits.joined(separator: ", ") + " wait for it"
            }
        )
    }
}
