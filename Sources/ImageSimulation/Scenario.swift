import ImageCore
import ImageDrivers
import ImageWorker

/// The story of one simulation: instances, requests, faults, calm, and the checks when nothing moves any more.
struct Scenario {
    let world: World
    let pool: WorkerPool

    static func instance(_ number: Int) -> InstanceID { InstanceID(known: "i-\(number)") }

    private static let owners = ["acct-1", "acct-2"]

    func play() async throws -> Stage.Ending {
        let instances = try addInstances()
        let bystanders = try await addBystanders(of: instances[0])
        if world.options.faults.contains(.quota), world.strikes(.quota, onceIn: 3) {
            try await world.store.setQuota(of: Owner(known: Self.owners[0]), to: QuotaLimits(images: 1, snapshots: 4))
        }
        let workers = 1 + world.dice.number(below: 3)
        // None is without a worker: who ends is replaced.
        let places = world.hosts.isEmpty ? workers : max(workers, world.hosts.count + 1)
        for number in 0..<places { pool.hire(on: world.place(number)) }
        let upstream = Upstream(world: world, instances: instances)
        let asking = Task { await upstream.ask() }
        let storm = Task { await stir() }
        let locks = Task { await IdleLocks(world: world).watch() }
        defer { locks.cancel() }
        await asking.value
        await storm.value
        world.calm()
        let deadline = world.time.now() + world.options.timeout
        var unquiet = await whatMoves()
        while let moving = unquiet {
            guard world.time.now() < deadline else {
                world.violate(.liveness, moving)
                break
            }
            try await world.time.sleep(for: .seconds(30))
            unquiet = await whatMoves()
        }
        return try await Verdicts(world: world, upstream: upstream, bystanders: bystanders).check()
    }

    private func addInstances() throws -> [Instance] {
        let shared = world.strikes(.shared, onceIn: 2)
        return try (0..<(shared ? 1 : world.options.images)).map { number in
            let disks = [
                ("/dev/vda", number % 2 == 0 ? DiskKind.local : .cloud), ("/dev/vdb", .cloud), ("/dev/vdc", .cloud),
            ]
            let instance = Instance(
                id: Self.instance(number),
                owner: Owner(known: Self.owners[number % 2]),
                status: .stopped,
                disks: disks.compactMap { name, kind in
                    DeviceName(name).map { Disk(device: $0, kind: kind, sizeBytes: 1 << 30) }
                },
                host: world.place(number)
            )
            try world.driver.add(instance)
            if let guest = world.guest(number) { try world.driver.setGuest(guest, of: instance.id) }
            return instance
        }
    }

    /// What another store's images own: no worker here may touch it.
    private func addBystanders(of instance: Instance) async throws -> [Resource] {
        var made: [Resource] = []
        for disk in instance.dataDisks {
            let image = ImageID(known: "img-another")
            let resource = Resource(
                id: ResourceID(image: image, part: disk.device.shortName, fence: 1),
                kind: .snapshot,
                imageID: image,
                host: instance.host
            )
            _ = try await world.driver.seen(from: instance.host).capture(disk.device, of: instance.id, into: resource) {
                _ in
            }
            made.append(resource)
        }
        return made
    }

    /// Faults that come by themselves, and not with a call.
    private func stir() async {
        let end = world.time.now() + world.options.stormy
        while world.time.now() < end {
            await world.sleep(upTo: 30)
            if world.strikes(.redelivery, onceIn: 6) { pool.cutOne() }
            if world.strikes(.pause, onceIn: 8) { Task { await pool.pauseOne() } }
            if world.strikes(.drain, onceIn: 12) { Task { await pool.drainOne() } }
            if world.strikes(.purge, onceIn: 10) { purge() }
            if world.strikes(.clock, onceIn: 6) {
                if world.dice.number(below: 4) == 0 { world.setStoreClock() } else { pool.setClockOfOne() }
            }
        }
    }

    private func purge() {
        let lanes = world.broker.busyLanes.filter { $0 != .intake }
        if let lane = lanes.randomElement(world.dice), world.dice.number(below: 2) == 0 {
            world.note("\(lane) is purged")
            world.broker.purge(lane)
        } else {
            world.note("the retry queues are purged")
            world.broker.purgeRetryQueues()
        }
    }

    /// What is still going on, or `nil`.
    private func whatMoves() async -> String? {
        do {
            var images = try await world.store.images(ImageQuery(limit: .max))
            images += try await world.store.images(ImageQuery(status: .deleted, limit: .max))
            for image in images.sorted(by: { $0.id < $1.id }) {
                if !image.status.isEnd {
                    let open = image.jobs.filter { $0.value.phase != .done }.keys.sorted().map(\.description)
                    return "image \(image.id) is \(image.status.rawValue), open: \(open.joined(separator: ", "))"
                }
                if image.cleanUp == .running { return "image \(image.id) is being cleaned up" }
                if image.wakeAt != nil { return "image \(image.id) has an open clean-up" }
            }
            if !world.broker.busyLanes.isEmpty { return "messages in \(world.broker.busyLanes)" }
            if world.broker.unacked > 0 { return "messages in workers' hands" }
            if world.late > 0 { return "messages on their way" }
            if world.broker.nextDue != nil { return "messages in the retry queues" }
            let unsent = try await world.store.unsent(before: Timestamp(microseconds: .max), limit: 1)
            if let message = unsent.first { return "\(message.id) is in the outbox" }
            let owned = Set(images.flatMap { $0.ledger.map(\.resource.id) })
            let known = Set(images.map(\.id))
            let orphan = try await world.inventory().first {
                known.contains($0.imageID) && !owned.contains($0.id)
            }
            if let orphan { return "\(orphan.id) is nobody's" }
            return nil
        } catch {
            return "\(error)"
        }
    }
}
