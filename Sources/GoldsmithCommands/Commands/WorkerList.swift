import ArgumentParser
import ImageCore
import ImageWorker
import TerminalText

struct WorkerList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List living workers with their jobs, and the lanes that no worker serves.",
        discussion: """
            From the workers' own reports in the store, every ten seconds; one that has not reported for thirty is gone. Once \
            others have taken over what it did, and serve its lanes, it is only counted, for a day. Ends with 1 when there is \
            a lane that no living worker serves.

            Examples:
              goldsmith worker list
              goldsmith worker list --all
              goldsmith worker list --json
            """
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions
    @Flag(help: "Also list workers that are gone and that others have replaced.") var all = false

    func run() async throws {
        let settings = try await shared.settings()
        let store = try await settings.openStore()
        let statuses = try await stored { () async throws(StoreError) in try await store.workers() }
        let leases = try await stored { () async throws(StoreError) in try await store.leases() }
        let now = try await stored { () async throws(StoreError) in try await store.time() }
        let lanes = LaneList(hosts: try await settings.hosts())
        let view = WorkersView(statuses, leases: leases, lanes: lanes, all: all, at: now)
        if output.json { try Terminal.say(json: view) } else { Terminal.say(view.text) }
        if !view.unserved.isEmpty { throw ExitCode(CommandFailure.Kind.failed.rawValue) }
    }
}

/// The workers as `--json` prints them. A contract with scripts: fields are only ever added.
struct WorkersView: Encodable {
    struct Worker: Encodable {
        enum State: String, Encodable {
            case alive
            /// Alive, and a tool of its own fails: it does not take the work that needs it.
            case notReady = "not-ready"
            /// Alive, and takes nothing new.
            case draining
            case gone

            init(_ status: WorkerStatus) {
                if status.isGone {
                    self = .gone
                } else if status.report.isDraining == true {
                    self = .draining
                } else {
                    self = status.report.faults?.isEmpty == false ? .notReady : .alive
                }
            }
        }

        /// A tool that failed its last trial.
        struct Fault: Encodable {
            /// `child-process`, `qemu-img`, `storage`, `locations`, `guest-look` or `cloud`.
            var tool: WorkerTool.Kind
            var message: String
            var advice: String?

            init(_ fault: ToolFault) {
                (tool, message, advice) = (fault.tool.kind, fault.sentence, fault.advice)
            }
        }

        struct Work: Encodable {
            var image: ImageID
            var job: Job
            var step: Step
            /// The disk, location or resource.
            var subject: String?
            var since: Timestamp?
            var progress: CopyProgress?
        }

        var id: WorkerID
        var state: State
        var host: String
        var pid: Int32
        var version: String
        /// Whether it can do all of its work, and takes it.
        var isReady: Bool
        var faults: [Fault]
        var lanes: [String]
        /// Those of them that it takes nothing from at present.
        var pausedLanes: [String]
        var concurrency: Int
        /// By the database's clock.
        var startedAt: Timestamp
        /// How long ago it last reported, by the database's clock.
        var silentSeconds: Double
        /// How far its clock is ahead of the database's.
        var clockAheadSeconds: Double
        var works: [Work]
    }

    var workers: [Worker]
    /// How many are gone and not listed: others have taken over their work.
    var gone: Int
    /// Lanes that no living worker serves, but should.
    var unserved: [String]
    private let now: Timestamp

    private enum CodingKeys: String, CodingKey {
        case workers, gone, unserved
    }

    /// - Parameter all: whether those are listed too that others have made up for.
    init(
        _ statuses: [WorkerStatus],
        leases: [Lease],
        lanes: LaneList = LaneList(),
        all: Bool,
        at now: Timestamp
    ) {
        self.now = now
        let running = Dictionary(grouping: leases.filter { $0.isAlive(at: now) }, by: \.worker)
        let past = all ? [] : Set(WorkerSummary(statuses, leases: leases).past.map(\.report.worker))
        gone = past.count
        workers = statuses.filter { !past.contains($0.report.worker) }.map { status in
            let report = status.report
            return Worker(
                id: report.worker,
                state: Worker.State(status),
                host: report.identity.host,
                pid: report.identity.processID,
                version: report.identity.version,
                isReady: Worker.State(status) == .alive,
                faults: (report.faults ?? []).map { .init($0) },
                lanes: report.lanes,
                pausedLanes: report.pausedLanes ?? [],
                concurrency: report.concurrency,
                startedAt: status.upSince,
                silentSeconds: status.silence.inSeconds,
                clockAheadSeconds: status.skew.inSeconds,
                works: (running[report.worker] ?? []).map { lease in
                    .init(
                        image: lease.image,
                        job: lease.job,
                        step: lease.job.step,
                        subject: lease.job.subject.isEmpty ? nil : lease.job.subject,
                        since: lease.since,
                        progress: lease.progress
                    )
                }
            )
        }
        unserved = lanes.all.filter { lanes.needsWorker($0) && statuses.count(serving: $0) == 0 }.map(\.description)
    }

    var table: Table {
        var table = Table(
            "WORKER",
            "STATE",
            .dropped("HOST", 2),
            .dropped("PID", 1),
            .dropped("VERSION", 3),
            .dropped("UP", 4),
            "SEEN",
            .wrapped("LANES"),
            .wrapped("DOING")
        )
        for worker in workers {
            let doing = worker.works.map { work in
                let part =
                    work.progress.map { $0.totalBytes > 0 ? " \($0.doneBytes * 100 / $0.totalBytes) %" : "" } ?? ""
                return "\(work.job) of \(work.image)\(part)" + (work.since.map { " for \(Format.age(now - $0))" } ?? "")
            }
            let isAll = worker.lanes == LaneList.served(on: nil).map(\.description)
            table.add(
                worker.id.text,
                Terminal.paint(worker.state.rawValue, worker.state.tone),
                worker.host,
                String(worker.pid),
                worker.version,
                worker.state != .gone ? Format.age(now - worker.startedAt) : "–",
                "\(Format.age(.seconds(worker.silentSeconds))) ago",
                isAll ? "all" : worker.lanes.joined(separator: ", "),
                doing.isEmpty ? "–" : doing.joined(separator: "; ")
            )
        }
        return table
    }

    var text: String {
        var lines = [workers.isEmpty ? "no worker has reported" : table.text]
        for worker in workers where worker.state != .gone {
            for fault in worker.faults {
                lines.append("\(worker.id): \(Terminal.paint(fault.message, .bad))")
                if let advice = fault.advice { lines.append("  → \(advice)") }
            }
        }
        if gone > 0 { lines.append("\(gone) more gone within a day; others have taken over their work") }
        for lane in unserved { lines.append(Terminal.paint("no worker serves \(lane)", .bad)) }
        return lines.joined(separator: "\n")
    }
}

extension Duration {
    /// To the millisecond.
    var inSeconds: Double { Double(microseconds / 1000) / 1000 }
}

extension WorkersView.Worker.State {
    fileprivate var tone: Terminal.Tone {
        switch self {
        case .alive: .good
        case .draining: .busy
        case .notReady, .gone: .bad
        }
    }
}
