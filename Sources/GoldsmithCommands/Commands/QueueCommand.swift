import AMQPClient
import ArgumentParser
import ImageCore
import ImageWorker
import RabbitMQTransport
import TerminalText

struct QueueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue",
        abstract: "Show the queues. Takes nothing out of them.",
        discussion: """
            Examples:
              goldsmith queue list
              goldsmith queue show job.replicate
            """,
        subcommands: [QueueList.self, QueueShow.self]
    )
}

struct QueueList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the queues: messages, consumers, rates, and the age of the oldest job.",
        discussion: """
            A work queue without a consumer is marked: no worker does its jobs. OLDEST is how long the job has waited that was due \
            first, as the store knows it; IN RETRY are jobs of that step which come back later. What is not known is –.

            Examples:
              goldsmith queue list
              goldsmith queue list --json
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let survey = try await QueueSurvey(try await shared.settings())
        if output.json { return try Terminal.say(json: survey.views) }
        var table = Table(
            "QUEUE",
            "READY",
            .dropped("UNACKED", 6),
            "CONSUMERS",
            .dropped("IN/S", 4),
            .dropped("OUT/S", 5),
            "OLDEST",
            .dropped("IN RETRY", 3),
            .dropped("DELAY", 1),
            .dropped("FOR", 2),
            ""
        )
        for view in survey.views {
            table.add(
                view.name,
                Self.cell(view.ready),
                Self.cell(view.unacked),
                Self.cell(view.consumers),
                view.publishedPerSecond.map(Format.rate) ?? "–",
                view.acknowledgedPerSecond.map(Format.rate) ?? "–",
                view.oldestAgeSeconds.map { Format.age(.seconds($0)) } ?? "–",
                Self.cell(view.waitingForRetry),
                view.retryDelay ?? "–",
                view.purpose,
                view.trouble.map { Terminal.paint($0, .bad) } ?? ""
            )
        }
        Terminal.say(table.text)
        for note in survey.notes { Terminal.complain(note) }
    }

    private static func cell(_ number: Int?) -> String { number.map(String.init) ?? "–" }
}

struct QueueShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one queue: its declaration, its consumers, and the jobs that wait for it.",
        discussion: """
            The jobs are the store's, the one that was due first on top.

            Examples:
              goldsmith queue show goldsmith.job.replicate
              goldsmith queue show job.replicate --json
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @Option(help: "At most this many jobs.") var limit = 20
    @Argument(help: "The queue's name, with or without its prefix.", completion: Completions.queues) var name: String

    private struct View: Encodable {
        var queue: QueueView
        var arguments: [String: String]
        var bindings: [String]
        var workers: [WorkerID]
        var jobs: [WaitingJob]
        var notes: [String]
    }

    func run() async throws {
        let settings = try await shared.settings()
        let topology = try await settings.topology()
        let full = topology.queues.contains { $0.name == name } ? name : "\(topology.prefix).\(name)"
        guard let queue = topology.queues.first(where: { $0.name == full }) else {
            throw CommandFailure(
                .notFound,
                "there is no queue \(PlainText.word(name))",
                advice: "`goldsmith queue list` shows all of them"
            )
        }
        let survey = try await QueueSurvey(settings)
        guard let view = survey.views.first(where: { $0.name == full }) else { return }
        let store = try await settings.openStore()
        let lane = topology.lane(of: full)
        let statuses = try await stored { () async throws(StoreError) in try await store.workers() }
        let images = try await stored { () async throws(StoreError) in
            try await store.openImages(limit: QueueSurvey.imageLimit)
        }
        let leases = try await stored { () async throws(StoreError) in try await store.leases() }
        let now = try await stored { () async throws(StoreError) in try await store.time() }
        let jobs = WaitingJob.all(in: images, leases: leases, for: lane, at: now)
        let shown = View(
            queue: view,
            arguments: queue.arguments.mapValues(\.plain),
            bindings: topology.bindings.filter { $0.queue == full }.map { "\($0.exchange) \($0.routingKey)" },
            workers: statuses.filter {
                !$0.isGone && lane.map(\.description).map($0.report.servedLanes.contains) == true
            }
            .map(\.report.worker),
            jobs: Array(jobs.prefix(max(0, limit))),
            notes: survey.notes
        )
        if output.json { return try Terminal.say(json: shown) }
        Terminal.say(text(of: shown, jobs: jobs.count, at: now))
        for note in survey.notes { Terminal.complain(note) }
    }

    private func text(of view: View, jobs: Int, at now: Timestamp) -> String {
        let queue = view.queue
        let rates = [("in", queue.publishedPerSecond), ("out", queue.acknowledgedPerSecond)].compactMap { name, rate in
            rate.map { "\(Format.rate($0)) \(name)" }
        }
        var lines = [
            Terminal.paint(queue.name, .strong) + (queue.trouble.map { "  " + Terminal.paint($0, .bad) } ?? ""),
            "  for        \(queue.purpose)",
            "  ready      \(queue.ready.map(String.init) ?? "–")",
            "  unacked    \(queue.unacked.map(String.init) ?? "–")",
            "  a second   \(rates.isEmpty ? "–" : rates.joined(separator: ", "))",
            "  consumers  \(queue.consumers.map(String.init) ?? "–")",
            "  workers    \(view.workers.isEmpty ? "–" : view.workers.map(\.text).joined(separator: ", "))",
            "  bound to   \(view.bindings.joined(separator: ", "))",
        ]
        for (name, value) in view.arguments.sorted(by: { $0.key < $1.key }) { lines.append("  \(name)=\(value)") }
        guard !view.jobs.isEmpty else { return lines.joined(separator: "\n") }
        var table = Table("IMAGE", "JOB", .dropped("OWNER", 1), .dropped("ATTEMPT", 2), "DUE", .wrapped("STATE"))
        for job in view.jobs {
            let due = job.dueAt.map { $0 > now ? "in \(Format.age($0 - now))" : "\(Format.age(now - $0)) ago" }
            table.add(
                job.image.text,
                job.job.description,
                job.owner.text,
                String(job.attempt),
                due ?? "–",
                job.worker.map { "with \($0)" } ?? job.reason.map(Format.brief) ?? "waits"
            )
        }
        lines += ["", "Jobs (\(view.jobs.count) of \(jobs))", table.text]
        return lines.joined(separator: "\n")
    }
}

/// A job in a queue, in the retry queues or in a worker's hands.
struct WaitingJob: Encodable {
    var image: ImageID
    var owner: Owner
    var job: Job
    var attempt: Int
    var dueAt: Timestamp?
    /// The worker that has it.
    var worker: WorkerID?
    /// Why it waits, or what failed last.
    var reason: String?

    /// The jobs of a lane, the one that was due first on top.
    static func all(in images: [Image], leases: [Lease], for lane: Lane?, at now: Timestamp) -> [WaitingJob] {
        var holders: [ImageID: [Job: WorkerID]] = [:]
        for lease in leases where lease.isAlive(at: now) {
            holders[lease.image, default: [:]][lease.job] = lease.worker
        }
        return images.flatMap { image in
            image.jobs.compactMap { job, state in
                let isHere =
                    switch lane {
                    case .job: image.lane(of: job) == lane && state.phase == .waiting
                    case .deadLetters: state.phase == .failed && image.hasPendingDeadLetter(job)
                    case .intake, .parked, .unrouted, nil: false
                    }
                guard isHere else { return nil }
                return WaitingJob(
                    image: image.id,
                    owner: image.owner,
                    job: job,
                    attempt: state.attempt,
                    dueAt: state.dueAt,
                    worker: holders[image.id]?[job],
                    reason: state.waiting?.reason ?? state.lastFailure?.message
                )
            }
        }.sorted { ($0.dueAt ?? now, $0.image, $0.job) < ($1.dueAt ?? now, $1.image, $1.job) }
    }
}
