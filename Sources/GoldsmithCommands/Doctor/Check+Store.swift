import ImageCore
import ImageStore
import ImageWorker
import SQLAccess
import TerminalText

extension Check {
    /// The database, the messages that wait in it, and the workers that report to it.
    static let store: [Check] = [
        Check(name: "database") { (settings) async throws(CommandFailure) in
            let facts = try await settings.databaseFacts()
            var findings = [
                Diagnosis(
                    "database",
                    .good,
                    "\(facts.product) \(facts.version) is reachable\(facts.isPooled ? ", through a pooler" : "")"
                )
            ]
            for problem in facts.problems {
                findings.append(Diagnosis("database", .bad, problem.message, advice: problem.advice))
            }
            return findings
        },
        Check(name: "schema") { (settings) async throws(CommandFailure) in
            let status = try await settings.schema()
            let text = "version \(status.version) of \(status.known)"
            let migrate = "run `goldsmith database migrate` (a worker that starts does it too)"
            return switch status.state {
            case .current: [Diagnosis("schema", .good, text)]
            case .behind:
                [
                    Diagnosis(
                        "schema",
                        .warning,
                        "\(text): it was written by an older program",
                        advice: "stop the older workers, then \(migrate)"
                    )
                ]
            case .empty: [Diagnosis("schema", .bad, "there are no tables yet", advice: migrate)]
            case .newer:
                [
                    Diagnosis(
                        "schema",
                        .bad,
                        "\(text): it was written by a newer program, and this one cannot work with it",
                        advice: "use the newer program everywhere"
                    )
                ]
            }
        },
        Check(name: "outbox") { (settings) async throws(CommandFailure) in
            guard let store = try await settings.currentStore() else { return [] }
            let (left, unreadable) = try await stored { () async throws(StoreError) in
                let now = try await store.time()
                let future = now + StoredTime.tolerance
                let left = try await store.unsent(before: now + .seconds(-60), after: future, limit: 1000)
                // A sweep moves them behind all others, so that they never look old.
                return (left, try await store.unsent(before: now, after: future, limit: 1000).unreadable)
            }
            if let row = unreadable.first {
                return [
                    Diagnosis(
                        "outbox",
                        .bad,
                        "\(unreadable.count) rows of unsent messages cannot be read, the first in \(row)",
                        advice: "repair these rows or delete them: nothing else sends their messages"
                    )
                ]
            }
            guard left.rows > 0 else { return [Diagnosis("outbox", .good, "nothing waits in it")] }
            let count = left.messages.count
            return [
                Diagnosis(
                    "outbox",
                    .bad,
                    "\(left.rows == 1000 ? "\(count) or more" : "\(count)") messages wait there for over a minute",
                    advice: "is a worker running, and does the broker take messages (alarms, missing queues)?"
                )
            ]
        },
        Check(name: "dead-letters") { (settings) async throws(CommandFailure) in
            guard let store = try await settings.currentStore() else { return [] }
            let groups = try await stored { () async throws(StoreError) in
                try await store.deadLetterGroups(DeadLetterQuery(kinds: Set(DeadLetter.Kind.allCases)))
            }
            return [(DeadFamily.name, DeadFamily.kinds), (ParkedFamily.name, ParkedFamily.kinds)].map { name, kinds in
                let count = groups.filter { kinds.contains($0.kind) }.map(\.count).reduce(0, +)
                return count == 0
                    ? Diagnosis(name, .good, "nothing waits for a human")
                    : Diagnosis(
                        name,
                        .warning,
                        "\(count) wait\(count == 1 ? "s" : "") for a human",
                        advice: "`goldsmith \(name) list --group`"
                    )
            }
        },
        Check(name: "workers", run: workers),
    ]

    /// Clocks nearer than this differ by nothing that matters.
    private static let tolerance = Duration.seconds(1)

    @Sendable private static func workers(_ settings: Settings) async throws(CommandFailure) -> [Diagnosis] {
        let options = try await settings.workerOptions()
        let facts = try await settings.databaseFacts()
        var findings = [
            clock("this machine", ahead: SystemTime().now() - Timestamp(microseconds: facts.microseconds))
        ]
        guard let store = try await settings.currentStore() else { return findings }
        let statuses = try await stored { () async throws(StoreError) in try await store.workers() }
        let leases = try await stored { () async throws(StoreError) in try await store.leases() }
        let summary = WorkerSummary(statuses, leases: leases)
        let alive = summary.alive
        if alive.isEmpty {
            let open = try await stored { () async throws(StoreError) in try await store.openImages(limit: 1) }
            findings.append(
                Diagnosis(
                    "workers",
                    open.isEmpty ? .warning : .bad,
                    "none is alive\(open.isEmpty ? "" : ", and there is work to be done")",
                    advice: "start `goldsmith worker`"
                )
            )
        } else {
            // A worker that was just killed counts as alive for a while: do not report it as a sign of life.
            let late = alive.filter { $0.silence > options.reportEvery + tolerance }
            let signs = late.map { "\($0.report.worker) last heard of \(Format.age($0.silence)) ago" }
            findings.append(
                Diagnosis("workers", .good, (["\(alive.count) alive"] + signs).joined(separator: "; "))
            )
        }
        findings += alive.flatMap { tools(of: $0.report) }
        for gone in summary.missed {
            findings.append(
                Diagnosis(
                    "worker \(gone.report.worker)",
                    .warning,
                    "gone for \(Format.age(gone.silence)), without signing off",
                    advice:
                        "was it killed? See the log on \(gone.report.identity.host); others that serve its lanes take over "
                        + "what it did"
                )
            )
        }
        if !summary.past.isEmpty {
            findings.append(
                Diagnosis(
                    "workers gone",
                    .note,
                    "\(summary.past.count) within a day; others have taken over their work",
                    advice: "`goldsmith worker list --all` names them"
                )
            )
        }
        for worker in alive where abs(worker.skew) > tolerance {
            findings.append(clock("worker \(worker.report.worker)", ahead: worker.skew))
        }
        let versions = Set(alive.map(\.report.identity.version)).sorted()
        if versions.count > 1 {
            findings.append(
                Diagnosis(
                    "versions",
                    .warning,
                    "workers of versions \(versions.joined(separator: ", ")) run beside each other",
                    advice: "end the older ones; `goldsmith worker list` names them"
                )
            )
        }
        return findings
    }

    /// A worker's report on its own tools. Only the worker has its user, its sandbox and its mounts.
    static func tools(of report: WorkerReport) -> [Diagnosis] {
        let what = "worker \(report.worker)"
        guard let faults = report.faults else {
            return [Diagnosis(what, .note, "has not said whether its tools work")]
        }
        guard !faults.isEmpty else { return [Diagnosis(what, .good, "its tools work")] }
        return faults.map { fault in
            let paused = report.pausedLanes?.joined(separator: ", ")
            return Diagnosis(
                what,
                fault.tool.kind == .guestLook ? .warning : .bad,
                fault.sentence + (paused.map { "; it takes nothing from \($0)" } ?? ""),
                advice: fault.advice
            )
        }
    }

    /// A clock beside the database's. Work goes by the database's own; what is left are logs and certificates.
    static func clock(_ who: String, ahead: Duration) -> Diagnosis {
        let what = "clock of \(who)"
        let size = abs(ahead)
        guard size > tolerance else { return Diagnosis(what, .good, "agrees with the database's") }
        return Diagnosis(
            what,
            .warning,
            "\(Format.age(size)) \(ahead > .zero ? "ahead of" : "behind") the database's",
            advice:
                "keep all clocks together (NTP): work goes by the database's, but logs and certificates by each machine's"
        )
    }

    private static func abs(_ duration: Duration) -> Duration { duration < .zero ? .zero - duration : duration }
}

extension Settings {
    /// The database as it is: nothing is made or migrated.
    private func database() async throws(CommandFailure) -> any SQLDatabase {
        let address = try await storeAddress()
        try address.mustExist()
        return try address.open()
    }

    func databaseFacts() async throws(CommandFailure) -> DatabaseFacts {
        let database = try await database()
        do {
            return try await database.facts()
        } catch {
            throw CommandFailure(.unavailable, error.message, advice: try await storeAddress().advice)
        }
    }

    func schema() async throws(CommandFailure) -> SchemaStatus {
        let database = try await database()
        return try await stored { () async throws(StoreError) in try await SQLImageStore.schema(of: database) }
    }

    /// The store, when its schema is this program's: opening another would change it.
    func currentStore() async throws(CommandFailure) -> (any ImageStore)? {
        try await schema().state == .current ? try await openStore() : nil
    }
}
