import AMQPClient
import ImageCore
import ImageWorker
import Operations
import RabbitMQTransport

/// One queue as `--json` prints it. A contract with scripts: fields are only ever added. What is not known is absent.
struct QueueView: Encodable {
    var name: String
    var purpose: String
    /// Messages ready for delivery; absent when the queue does not exist.
    var ready: Int?
    var consumers: Int?
    /// Handed out and not yet acknowledged. From the management plugin, some seconds old.
    var unacked: Int?
    var publishedPerSecond: Double?
    var acknowledgedPerSecond: Double?
    /// How long the job has waited that was due first, as the store knows it.
    var oldestAgeSeconds: Double?
    /// Jobs of this queue's lane that wait in the retry queues.
    var waitingForRetry: Int?
    /// The delay of a retry queue.
    var retryDelay: String?
    /// Whether the queue must have a consumer.
    var needsConsumer: Bool

    /// What is wrong with it, in a word.
    var trouble: String? {
        if ready == nil { return "missing" }
        return needsConsumer && consumers == 0 ? "no consumer" : nil
    }
}

/// The queues, from every source that answers, and what was not learnt.
struct QueueSurvey {
    /// The oldest open images that are looked at for ages; more would keep a listing waiting.
    static let imageLimit = 10_000

    var views: [QueueView] = []
    /// Why columns are empty, for people.
    var notes: [String] = []

    init(_ settings: Settings) async throws(CommandFailure) {
        let topology = try await settings.topology()
        let connection = try await settings.connect("queue list")
        do {
            views = try await topology.survey(on: connection).map { status in
                QueueView(
                    name: status.name,
                    purpose: status.purpose,
                    ready: status.ready,
                    consumers: status.consumers,
                    retryDelay: topology.retryDelay(of: status.name)?.rawValue,
                    needsConsumer: status.needsConsumer
                )
            }
        } catch {
            throw CommandFailure(error)
        }
        await connection.close()
        try await addRates(settings, topology)
        await addAges(settings, topology)
    }

    private mutating func addRates(_ settings: Settings, _ topology: Topology) async throws(CommandFailure) {
        guard let address = try await settings.managementAddress() else {
            return notes.append(
                "unacked and rates: set \(SettingKey.managementUrl.environmentName) to ask the broker's management plugin"
            )
        }
        let host = try await settings.endpoint().virtualHost
        do throws(ManagementAPI.Failure) {
            let found = try await ManagementAPI(address: address).queues(of: host, prefix: topology.prefix)
            for queue in found {
                guard let index = views.firstIndex(where: { $0.name == queue.name }) else { continue }
                views[index].unacked = queue.unacked
                views[index].publishedPerSecond = queue.statistics?.publishDetails?.rate
                views[index].acknowledgedPerSecond = queue.statistics?.ackDetails?.rate
            }
        } catch {
            notes.append("unacked and rates: \(error.message)")
        }
    }

    private mutating func addAges(_ settings: Settings, _ topology: Topology) async {
        let images: [Image]
        let leases: [Lease]
        let now: Timestamp
        do throws(CommandFailure) {
            let store = try await settings.openStore()
            images = try await stored { () async throws(StoreError) in
                try await store.openImages(limit: Self.imageLimit)
            }
            leases = try await stored { () async throws(StoreError) in try await store.leases() }
            now = try await stored { () async throws(StoreError) in try await store.time() }
        } catch {
            return notes.append("oldest and in retry: \(error.message)")
        }
        let backlog = Backlog.of(images, leases: leases, at: now)
        for index in views.indices {
            guard let lane = topology.lane(of: views[index].name) else { continue }
            if lane.step != nil { views[index].waitingForRetry = backlog[lane]?.waitingForRetry ?? 0 }
            views[index].oldestAgeSeconds = backlog[lane]?.oldestDueAt.map { max(0, (now - $0).inSeconds) }
        }
        if images.count == Self.imageLimit {
            notes.append("oldest and in retry: of the \(Self.imageLimit) oldest open images only")
        }
    }
}
