import ImageCore

/// One image: what it is, how its making went, what it consists of, and all that happened.
struct ImageStory {
    let image: Image
    let journal: [Announcement]
    let leases: [Lease]
    let workers: [WorkerStatus]
    let now: Timestamp
    /// Whether the viewer may request something.
    var offersActions = false

    var html: HTML {
        let later = Timeline.later(image, journal: journal, now: now)
        return .joined([
            heading, image.failure.map { ImageFailureSection(image: image, failure: $0).html } ?? .nothing,
            jobs("Making", Timeline.making(image, journal: journal, now: now)),
            later.rows.isEmpty ? .nothing : jobs("Since then", later), ImageContents(image: image).html, history,
        ])
    }

    private func jobs(_ caption: String, _ timeline: Timeline) -> HTML {
        JobTable(caption: caption, timeline: timeline, image: image, leases: leases, workers: workers).html
    }

    private var heading: HTML {
        tag(.section, .class("head")) {
            tag(.p, .class("over")) {
                tag(.a, .href(.images(ImageQuery()))) { "Images" }
                tag(.span, .hidden) { " / " }
                tag(.code) { image.id.text }
            }
            tag(.h1) {
                image.name
                Mark(image.status).html
            }
            if !image.details.isEmpty { tag(.p, .class("lead")) { image.details } }
            tag(.dl, .class("facts")) {
                fact("Instance") { image.plan.instanceID.link }
                if let host = image.plan.host { fact("Host") { host.text } }
                fact("Owner") { image.owner.text }
                fact("Root device") { image.plan.systemDisk.kind == .local ? "localDisk" : "cloudDisk" }
                fact("Created") { Words.moment(image.createdAt) }
                if image.status.isEnd {
                    fact("Took") { Words.duration(ended - image.createdAt) }
                } else {
                    fact("Last change") { Words.moment(image.updatedAt) }
                }
                fact("Request") { tag(.code) { image.requestID.text } }
                if !image.references.sharedWith.isEmpty {
                    fact("Shared with") { image.references.sharedWith.map(\.text).joined(separator: ", ") }
                }
                if let source = image.plan.conversion?.source { fact("Made of") { source.link } }
                if let target = image.references.conversion { fact("Being converted into") { target.link } }
                for (key, value) in image.labels.sorted(by: { $0.key < $1.key }) { fact(key) { value } }
            }
            if offersActions { ActionBar(image: image).html }
        }
    }

    /// When the image came to its end.
    private var ended: Timestamp {
        journal.last { $0.kind == .imageAvailable || $0.kind == .imageError }?.at ?? image.updatedAt
    }

    private var history: HTML {
        tag(.section) {
            tag(.details) {
                tag(.summary) { "History, \(Words.count(journal.count, "event"))" }
                DataTable(
                    caption: "History",
                    isCaptionHidden: true,
                    columns: ["Event", "Time (UTC)", "Job", "Attempt", "What was said"],
                    rows: journal.map { line in
                        [
                            .text("\(line.sequence)  \(line.kind.rawValue)"), .html(Words.moment(line.at)),
                            .text(line.job.map { $0.title }), .number(line.attempt.map { String($0) }),
                            .text(line.failure?.message ?? line.reason),
                        ]
                    }
                ).html
            }
        }
    }
}
