import ImageCore
import ImageWorker

/// A delivery that remembers what was already done when it came, to judge its ack by: who finished the job may have
/// died before its follow-ups left, and a duplicate that is merely acked is the last chance gone.
struct MonitoredDelivery: IncomingDelivery {
    private let delivery: FakeDelivery
    private let process: SimulatedProcess
    private let world: World
    private let job: JobMessage?
    /// The open follow-ups, and how often this worker had sent each before.
    private let followUps: [(job: Job, attempt: Int, sent: Int)]

    init(_ delivery: FakeDelivery, _ process: SimulatedProcess, _ world: World) async {
        self.delivery = delivery
        self.process = process
        self.world = world
        let message = JobMessage(parsing: delivery.message.body)
        job = message
        guard let message, message.failure == nil, let image = try? await world.store.image(message.imageId) else {
            followUps = []
            return
        }
        followUps = Self.followers(of: message.job, in: image).map { follower, attempt in
            (follower, attempt, world.monitor.publications(of: Self.id(image.id, follower, attempt), by: process.name))
        }
    }

    var message: IncomingMessage { delivery.message }

    func ack() {
        world.note("\(process.name) acks \(message.messageID ?? "")")
        delivery.ack()
        guard let job, !followUps.isEmpty else { return }
        Task {
            guard let image = try? await world.store.image(job.imageId) else { return }
            let open = Self.followers(of: job.job, in: image)
            for (follower, attempt, sent) in followUps where open.contains(where: { $0 == (follower, attempt) }) {
                let now = world.monitor.publications(of: Self.id(image.id, follower, attempt), by: process.name)
                if now == sent {
                    world.violate(.reemit, "\(process.name) acked \(job.job) of \(image.id) without \(follower)")
                }
            }
        }
    }

    func requeue() {
        world.note("\(process.name) requeues \(message.messageID ?? "")")
        delivery.requeue()
    }

    func refuse() { delivery.refuse() }

    /// What waits because `job` is done.
    private static func followers(of job: Job, in image: Image) -> [(Job, Int)] {
        guard image.jobs[job]?.phase == .done else { return [] }
        let all: [Job] =
            switch job {
            case .stopCheck: image.plan.captureJobs
            case .systemDisk, .dataDisk, .convert: image.plan.replicateJobs
            case .replicate: image.jobs.keys.filter { $0.step == .bootProof }
            case .bootProof, .launch, .cleanUp: []
            }
        return all.compactMap { follower in
            guard let state = image.jobs[follower], state.phase == .waiting else { return nil }
            return (follower, state.attempt)
        }
    }

    private static func id(_ image: ImageID, _ job: Job, _ attempt: Int) -> String { "\(image)/\(job)/\(attempt)" }
}
