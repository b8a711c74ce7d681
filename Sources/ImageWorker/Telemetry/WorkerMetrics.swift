import ImageCore
import PrometheusMetrics

/// Everything a worker measures. `docs/metrics.md` lists the same, and a test compares.
enum WorkerMetrics {
    private static let steps = Step.allCases.map { [$0.rawValue] }
    private static func by(_ steps: [[String]], _ words: [String]) -> [[String]] {
        steps.flatMap { step in words.map { step + [$0] } }
    }

    static let jobsBegun = Metric(
        "goldsmith_jobs_begun_total",
        .counter,
        by: ["step"],
        known: steps,
        "Attempts at jobs that this worker has begun."
    )
    static let jobsEnded = Metric(
        "goldsmith_jobs_ended_total",
        .counter,
        by: ["step", "outcome"],
        known: by(steps, AttemptOutcome.allCases.map(\.rawValue)),
        "Attempts that have ended in this worker, by outcome."
    )
    static let jobsRunning = Metric(
        "goldsmith_jobs_running",
        .gauge,
        by: ["step"],
        known: steps,
        "Jobs this worker works on now."
    )
    static let jobSeconds = Metric(
        "goldsmith_job_seconds",
        .histogram([0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600, 14_400]),
        by: ["step"],
        known: steps,
        "How long attempts took, for any outcome."
    )
    static let copiedBytes = Metric(
        "goldsmith_copied_bytes_total",
        .counter,
        by: ["step"],
        known: steps,
        "Bytes done by captures, conversions, replications and launches."
    )
    static let requests = Metric(
        "goldsmith_requests_total",
        .counter,
        by: ["operation", "code"],
        known: by(Operation.allCases.map { [$0.rawValue] }, ["OK"]),
        "Requests this worker has answered: OK, or the code of the rejection."
    )
    static let parked = Metric(
        "goldsmith_messages_parked_total",
        .counter,
        "Messages this worker has put away for a human."
    )
    static let setAside = Metric(
        "goldsmith_messages_set_aside_total",
        .counter,
        "Messages the broker never takes: its connection ends at them, or they fit in no frame."
    )
    static let resent = Metric(
        "goldsmith_messages_resent_total",
        .counter,
        "Messages of overdue jobs that this worker's sweeper has sent again."
    )
    static let orphans = Metric(
        "goldsmith_orphans_deleted_total",
        .counter,
        "Orphaned resources that this worker has deleted."
    )
    static let published = Metric(
        "goldsmith_published_total",
        .counter,
        by: ["result"],
        known: [["confirmed"], ["unconfirmed"]],
        "Messages offered to the broker, by whether it confirmed them in time."
    )
    static let publishSeconds = Metric(
        "goldsmith_publish_seconds",
        .histogram([0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 30]),
        "From handing messages over to the last of their confirms."
    )
    static let spans = Metric(
        "goldsmith_spans_total",
        .counter,
        by: ["outcome"],
        known: [["exported"], ["failed"], ["dropped"]],
        "Spans of traces, by outcome: taken by the receiver, refused or not reached, or dropped for lack of room."
    )
    static let connected = Metric(
        "goldsmith_broker_connected",
        .gauge,
        by: ["connection"],
        "1 while the connection is up. The publishing one is opened with the first message."
    )
    static let reconnects = Metric(
        "goldsmith_broker_reconnects_total",
        .counter,
        by: ["connection"],
        "How often the connection was opened again."
    )
    static let silence = Metric(
        "goldsmith_broker_silence_seconds",
        .gauge,
        by: ["connection"],
        "How long ago anything last came from the broker, heartbeats included."
    )
    static let queueMessages = Metric(
        "goldsmith_queue_messages",
        .gauge,
        by: ["lane"],
        "Messages ready in the queue of a lane this worker serves."
    )
    static let queueConsumers = Metric(
        "goldsmith_queue_consumers",
        .gauge,
        by: ["lane"],
        "Consumers the broker counts on that queue, of all workers."
    )
    static let laneWorkers = Metric(
        "goldsmith_lane_workers",
        .gauge,
        by: ["lane"],
        "Living workers that serve a lane of the installation, by their reports in the store."
    )
    static let ready = Metric("goldsmith_ready", .gauge, "1 when /readyz says ready, else 0.")
    static let toolUp = Metric(
        "goldsmith_tool_up",
        .gauge,
        by: ["tool"],
        "1 when a tool of the worker's passed its last trial."
    )
    static let storeUp = Metric(
        "goldsmith_store_up",
        .gauge,
        "1 when the store answered this worker's last question."
    )
    static let storeSeconds = Metric(
        "goldsmith_store_seconds",
        .histogram([0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15]),
        by: ["operation", "outcome"],
        "How long each call of the store took, by how it ended."
    )
    static let storeRepeats = Metric(
        "goldsmith_store_repeats_total",
        .counter,
        by: ["operation"],
        known: ["accept", "begin", "renew", "apply", "markSent"].map { [$0] },
        "Transactions that were begun anew, because they lost a race or their connection."
    )
    static let driverSeconds = Metric(
        "goldsmith_driver_seconds",
        .histogram([0.005, 0.05, 0.5, 5, 60, 600, 3600]),
        by: ["call", "code"],
        "How long each call of the driver took: OK, or the code of the failure."
    )
    static let images = Metric("goldsmith_images", .gauge, by: ["status"], "Images in the store, by status.")
    static let outbox = Metric(
        "goldsmith_outbox_messages",
        .gauge,
        "Messages in the store's outbox: not yet confirmed by the broker."
    )
    static let outboxAge = Metric(
        "goldsmith_outbox_oldest_seconds",
        .gauge,
        "How long the oldest message in the outbox has waited; 0 without one."
    )
    static let leases = Metric(
        "goldsmith_leases",
        .gauge,
        by: ["state"],
        "Leases on jobs in the store: live, or expired and not taken over."
    )
    static let deadLetters = Metric(
        "goldsmith_dead_letters_open",
        .gauge,
        by: ["kind"],
        "Dead letters, parked and unrouted messages that wait for a human."
    )
    static let overdue = Metric(
        "goldsmith_images_overdue",
        .gauge,
        "Images with a job of which nothing was heard in time."
    )
    static let all =
        [
            jobsBegun, jobsEnded, jobsRunning, jobSeconds, copiedBytes, requests, parked, setAside, resent, orphans,
            published,
            publishSeconds, spans, connected, reconnects, silence, queueMessages, queueConsumers, laneWorkers, ready,
            toolUp, storeUp,
            storeSeconds, storeRepeats, driverSeconds, images, outbox,
            outboxAge, leases, deadLetters, overdue,
        ] + ProcessMetrics.all
}
