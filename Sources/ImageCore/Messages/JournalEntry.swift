/// A line of an image's history with what is sent for it: its event, and the jobs that were queued in the same
/// transition. One row of the store holds both until the broker has them, so neither is written a second time.
public struct JournalEntry: Equatable, Sendable {
    public var line: Announcement
    /// In the order in which they are queued.
    public var jobs: [QueuedJob]
    /// The event's body. Absent: it follows from the line and from what never changes in an image.
    public var event: String?

    public init(_ line: Announcement, jobs: [QueuedJob] = [], event: String? = nil) {
        self.line = line
        self.jobs = jobs
        self.event = event
    }

    /// Its event and its jobs.
    public func messages(of image: Image) -> [OutgoingMessage] {
        var messages = [Effect.announce(line).message(of: image)].compactMap { $0 }
        if let event, !messages.isEmpty { messages[0].body = event }
        messages += jobs.map { $0.message(of: image) }
        for index in messages.indices { messages[index].row = .journal(image.id, sequence: line.sequence) }
        return messages
    }
}

/// A job on its way to a queue: at once, or after a retry delay.
public struct QueuedJob: Codable, Equatable, Sendable {
    public var job: Job
    public var attempt: Int
    public var delay: RetryDelay?
    /// The host of its lane, as it was when the job was queued.
    public var host: HostName?

    public init(_ job: Job, attempt: Int, after delay: RetryDelay?, on host: HostName? = nil) {
        self.job = job
        self.attempt = attempt
        self.delay = delay
        self.host = host
    }

    func message(of image: Image) -> OutgoingMessage {
        var message = JobMessage(imageId: image.id, job: job, attempt: attempt)
            .outgoing(to: delay.map { .retry($0) } ?? .jobs, on: host)
        message.trace = image.trace
        return message
    }
}

extension QueuedJob: JSONWritable {
    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("attempt", attempt)
            $0.member("delay", delay)
            $0.member("host", host)
            $0.member("job", job)
        }
    }
}

/// What a transition writes down to be sent.
public struct OutgoingEffects: Sendable {
    /// The lines of the image's history. The last of them has the jobs that are queued.
    public var journal: [JournalEntry]
    /// Every message, each with the row that it is kept in.
    public var messages: [OutgoingMessage]

    /// - Parameter image: as the transition left it.
    public init(_ effects: [Effect], of image: Image) {
        journal = []
        messages = []
        var jobs: [QueuedJob] = []
        for effect in effects {
            switch effect {
            case .announce(let line):
                let event = line.tellsMoreThanItself ? effect.message(of: image)?.body : nil
                journal.append(JournalEntry(line, event: event))
            case .enqueue(let job, let attempt, let delay):
                jobs.append(QueuedJob(job, attempt: attempt, after: delay, on: image.host(of: job)))
            default: if let message = effect.message(of: image) { messages.append(message) }
            }
        }
        if journal.isEmpty {
            messages += jobs.map { $0.message(of: image) }
        } else {
            journal[journal.count - 1].jobs = jobs
            messages += journal.flatMap { $0.messages(of: image) }
        }
    }
}
