import ImageCore

extension FuzzTarget {
    /// A job message or a dead letter, as it comes from a queue.
    static let jobs = FuzzTarget(name: "jobs") { input throws(BrokenPromise) in
        guard let message = JobMessage(parsing: input) else { return }
        try promise(message.attempt >= 1, "attempt \(message.attempt)")
        try promise(Job(message.job.description) == message.job, "\(message.job) is another job when it is read again")
        // Our own ids are short; a stranger's may be as long as they are allowed and then come out too long to be sent,
        // but nothing is sent for an image that is not in the store.
        for destination in [OutgoingMessage.Destination.jobs, .retry(.second1), .dead, .parking] {
            let outgoing = message.outgoing(to: destination)
            try promise(
                JobMessage(parsing: Array(outgoing.body.utf8)) == message || outgoing.body.utf8.count > 64 * 1024,
                "written and read again it is another message"
            )
            try promise(outgoing.routingKey == message.job.step.rawValue, "it goes to another step")
            try promise(outgoing.outboxKey.hasPrefix(outgoing.id), "an outbox key without its id")
        }
    }

    /// A stored document, an event or a manifest: a line with its type, then its JSON.
    static let documents = FuzzTarget(name: "documents") { input throws(BrokenPromise) in
        var lines = Lines(input)
        let type = lines.next()
        let bytes = lines.remainder
        switch type {
        case "image":
            guard let image = try stored(Image.self, bytes) else { return }
            _ = (image.captures, image.replicas, image.cleanUp, image.plan.lockKeys, image.plan.quota)
            let manifest = Manifest(of: image)
            try promise((try stored(Manifest.self, CanonicalJSON.bytes(manifest))) == manifest, "its manifest differs")
        case "line":
            guard let line = try stored(Announcement.self, bytes) else { return }
            try promise(line.at.rfc3339.utf8.count <= 40, "a time of \(line.at.rfc3339.utf8.count) bytes")
        case "message":
            guard let message = try stored(OutgoingMessage.self, bytes) else { return }
            try promise(message.outboxKey == message.outboxKey, "an unsteady key")
        case "answer": _ = try stored(Answer.self, bytes)?.rejection
        case "event":
            if let event = try? CanonicalJSON.decode(CloudEvent.self, from: bytes) {
                let again = try? CanonicalJSON.decode(CloudEvent.self, from: CanonicalJSON.bytes(event))
                try promise(again?.data == event.data, "written and read again it is another event")
            }
        default: _ = try stored(Manifest.self, bytes)
        }
    }
}

/// Decoded, and the same when it is written and decoded again. `nil` for what is no such document.
private func stored<Document: Codable & Equatable>(
    _ type: Document.Type,
    _ bytes: [UInt8]
) throws(BrokenPromise) -> Document? {
    guard let document = try? CanonicalJSON.decode(type, from: bytes) else { return nil }
    let again = try? CanonicalJSON.decode(type, from: CanonicalJSON.bytes(document))
    try promise(again == document, "written and read again it is another \(type)")
    return document
}
