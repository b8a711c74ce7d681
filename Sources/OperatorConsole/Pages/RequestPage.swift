import ImageCore
import Operations

/// The outcome of a request.
struct RequestPage {
    let identity: RequestIdentity
    let recorded: RecordedAnswer?
    /// Whether it still waits in the outbox for a worker to send it.
    let isWaiting: Bool

    static let title = "Request"

    var html: HTML {
        .joined([
            tag(.section, .class("head")) {
                tag(.p, .class("over")) {
                    "Request "
                    tag(.code) { identity.requestID.text }
                }
                recorded.map { answered($0.answer) } ?? unanswered
            },
            recorded?.answer.disks.map { disks($0, areMade: recorded?.answer.instanceId != nil) } ?? .nothing,
        ])
    }

    private func answered(_ answer: Answer) -> HTML {
        let isAccepted = answer.status == .accepted
        return .joined([
            tag(.h1) {
                operation ?? Self.title
                isAccepted ? Mark(.good, "Accepted").html : Mark(.bad, "Rejected").html
            },
            answer.message.map { message in tag(.p, .class("lead")) { Words.sentence(message) } } ?? .nothing,
            tag(.dl, .class("facts")) {
                if let code = answer.code { fact("Code") { tag(.code) { code.rawValue } } }
                if let field = answer.field { fact("Field") { tag(.code) { field } } }
                fact("Owner") { identity.owner.text }
                if let image = answer.imageId {
                    fact("Image") { image.link }
                }
                if let status = answer.imageStatus { fact("Status then") { Mark(status).html } }
                if let instance = answer.instanceId {
                    fact("Instance") { instance.link }
                }
            },
        ])
    }

    private func disks(_ disks: [LaunchDisk], areMade: Bool) -> HTML {
        let table = DataTable(
            caption: areMade ? "The new instance's disks" : "Nothing was made; a launch would give",
            columns: ["Device", "Kind", "Size", "Auto-delete", "From"],
            rows: disks.map { disk in
                [
                    .code(disk.device.description), .text(disk.kind.rawValue), .number(Quantity.bytes(disk.sizeBytes)),
                    .text(disk.autoDelete ? "yes" : "no"), .code(disk.from?.description ?? "new"),
                ]
            }
        )
        return tag(.section) { table.html }
    }

    private var unanswered: HTML {
        .joined([
            tag(.h1) {
                Self.title
                isWaiting ? Mark(.waiting, "Waits to be sent").html : Mark(.busy, "Not answered yet").html
            },
            tag(.p, .class("lead")) {
                isWaiting
                    ? "It is written down, and the next worker that looks sends it, within seconds."
                    : "A worker has sent it, and none has answered it yet. The answer will stand here."
            },
            tag(.p, .class("advice")) {
                tag(.strong) { "If it stays so: " }
                isWaiting
                    ? Words.sentence(
                        "is a worker running? The overview lists them, and says what is wrong with the broker"
                    )
                    : Words.sentence(
                        "does a worker serve `intake` (the overview says so), and may the workers' own user ask for \(identity.owner)? That is the workers' setting `upstreams`; what it forbids stands in their logs as `request denied`"
                    )
            },
            tag(.p) { "It was sent with its id, and is done once, however often it is repeated." },
        ])
    }

    private var operation: String? {
        recorded?.fingerprint.split(separator: " ").first.flatMap { word in
            ImageAction.allCases.first { $0.operation.rawValue == word }?.word
        }
    }
}
