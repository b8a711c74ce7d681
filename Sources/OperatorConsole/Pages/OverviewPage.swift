import ImageCore
import Operations

/// How everything stands, at a glance.
struct OverviewPage {
    let counts: [ImageStatus: Int]
    let alarms: [Alarm]
    let queues: QueueHistory.State
    let recent: [Image]
    let workers: WorkerTable

    var html: HTML {
        .joined([
            tag(.h1) { "Overview" },
            alarmList,
            tag(.section, Attribute("aria-labelledby", "images")) {
                tag(.h2, .id("images")) { "Images" }
                tag(.ul, .class("tiles")) {
                    for status in ImageStatus.allCases where status != .deleted {
                        tag(.li) {
                            tag(.a, .href(.images(ImageQuery(status: status)))) {
                                tag(.strong) { String(counts[status] ?? 0) }
                                Mark(status).html
                            }
                        }
                    }
                }
            },
            recent.isEmpty ? .nothing : tag(.section) { ImageTable(images: recent, caption: "Newest").html },
            workers.html,
            queueTable,
        ])
    }

    private var alarmList: HTML {
        guard !alarms.isEmpty else {
            return tag(.p, .class("calm")) { Mark(.good, "No alarms").html }
        }
        return tag(.section, .class("alarms"), Attribute("aria-labelledby", "alarms")) {
            tag(.h2, .id("alarms")) {
                Mark(.warning, "").html
                Words.count(alarms.count, "alarm")
            }
            tag(.ul) {
                for alarm in alarms {
                    tag(.li) {
                        tag(.strong) {
                            if let page = alarm.page {
                                tag(.a, Attribute("href", page)) { alarm.what }
                            } else {
                                alarm.what
                            }
                        }
                        tag(.span) {
                            Words.sentence(alarm.message)
                            if let advice = alarm.advice {
                                " "
                                Words.sentence(advice)
                            }
                        }
                    }
                }
            }
        }
    }

    private var queueTable: HTML {
        guard !queues.queues.isEmpty else { return .nothing }
        let retrying = queues.queues.filter { $0.role == .retry }
        let waiting = retrying.reduce(0) { $0 + ($1.ready ?? 0) }
        let rest = queues.queues.filter { $0.role != .retry }
        let quiet = rest.filter(isQuiet)
        return tag(.section, .id(Alarm.queuesAnchor)) {
            if quiet.count < rest.count { table("Queues", rest.filter { !isQuiet($0) }, isCaptionHidden: false) }
            tag(.details) {
                tag(.summary) {
                    "\(quiet.count < rest.count ? "Other queues" : "Queues"), \(quiet.count) empty and served"
                }
                table("Quiet queues", quiet, isCaptionHidden: true)
            }
            tag(.details) {
                tag(.summary) { "Retry queues, \(Words.count(waiting, "job")) waiting" }
                table("Retry queues", retrying, isCaptionHidden: true)
            }
        }
    }

    /// Whether there is nothing to see: empty now and lately, and served if it must be.
    private func isQuiet(_ queue: QueueStatus) -> Bool {
        queue.ready == 0 && (queues.ready[queue.name] ?? []).allSatisfy { $0 == 0 }
            && !(queue.role == .work && queue.consumers == 0)
    }

    private func table(_ caption: String, _ statuses: [QueueStatus], isCaptionHidden: Bool) -> HTML {
        let moment = queues.lookedAt.map { HTML.joined([HTML("as of "), Words.clock($0), HTML(" UTC")]) }
        return DataTable(
            caption: caption,
            aside: moment ?? .nothing,
            isCaptionHidden: isCaptionHidden,
            columns: ["Queue", "Ready", "Lately", "Consumers"],
            rows: statuses.map { queue in
                [
                    .html(
                        .joined([tag(.code) { queue.name }, tag(.small) { queue.purpose }])
                    ),
                    .number(queue.ready.map { String($0) } ?? "missing"),
                    .html(Sparkline.html(queues.ready[queue.name] ?? [], length: QueueHistory.length)),
                    .html(consumers(queue)),
                ]
            }
        ).html
    }

    private func consumers(_ queue: QueueStatus) -> HTML {
        switch queue.role {
        case .work where queue.consumers == 0: Mark(.bad, "none").html
        case .spare where queue.needsConsumer && queue.consumers == 0: Mark(.bad, "none").html
        case .work: HTML(queue.consumers.map { String($0) } ?? "–")
        // Those are not meant to have consumers.
        case .spare, .retry, .human, .kept: HTML(queue.consumers.flatMap { $0 > 0 ? String($0) : nil } ?? "–")
        }
    }
}

/// A list of images.
struct ImageTable {
    let images: [Image]
    let caption: String
    /// Whether a column says what can be asked for.
    var offersActions = false

    var html: HTML {
        DataTable(
            caption: caption,
            columns: ["Name", "Status", "Instance", "Owner", "Created (UTC)", "Image"]
                + (offersActions ? ["Ask for"] : []),
            rows: images.map { image in
                [
                    .html(tag(.a, .href(.image(image.id))) { image.name }),
                    .html(
                        .joined([
                            Mark(image.status).html,
                            image.failure.map { failure in tag(.small, .class("clipped")) { failure.cause.message } }
                                ?? .nothing,
                        ])
                    ),
                    .code(image.plan.instanceID.text), .text(image.owner.text), .html(Words.moment(image.createdAt)),
                    .code(image.id.text),
                ] + (offersActions ? [.html(Self.actions(image))] : [])
            }
        ).html
    }

    private static func actions(_ image: Image) -> HTML {
        tag(.ul, .class("plain")) {
            for action in ImageAction.allowed(by: image) {
                tag(.li) {
                    tag(.a, .href(.action(action, image.id)), .label("\(action.word): \(image.name)")) {
                        "\(action.word)…"
                    }
                }
            }
        }
    }
}
