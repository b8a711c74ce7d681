import ImageCore
import Operations

/// Images by filter, page by page.
struct ImagesPage {
    let query: ImageQuery
    let images: [Image]
    /// Absent on the last page.
    let next: ImagePage?

    /// What does not change by itself: a form must not be replaced while a user fills it in.
    static func filterForm(_ query: ImageQuery) -> HTML {
        .joined([
            tag(.h1) { "Images" },
            tag(
                .form,
                .class("filter"),
                Attribute("method", "get"),
                .action(.images(ImageQuery())),
                Attribute("role", "search")
            ) {
                tag(.label, Attribute("for", "status")) { "Status" }
                tag(.select, .id("status"), .name("status")) {
                    tag(.option, .value("")) { "All but deleted" }
                    for status in ImageStatus.allCases {
                        status == query.status
                            ? tag(.option, .value(status.rawValue), Attribute("selected")) { status.rawValue }
                            : tag(.option, .value(status.rawValue)) { status.rawValue }
                    }
                }
                field("Owner", "owner", query.owner?.text)
                field("Name", "name", query.name)
                field("Instance", "instance", query.instanceID?.text)
                tag(.button, .type("submit")) { "Show" }
                if query.fromTheNewest != ImageQuery() { tag(.a, .href(.images(ImageQuery()))) { "All images" } }
            },
        ])
    }

    private static func field(_ label: String, _ name: String, _ value: String?) -> HTML {
        Form.field(label, name, .value(value ?? ""), Attribute("maxlength", 63), Attribute("autocomplete", "off"))
    }

    var html: HTML {
        .joined([
            images.isEmpty
                ? tag(.p, .class("empty")) { "No image matches." } : ImageTable(images: images, caption: caption).html,
            tag(.nav, .class("paging"), .label("Pages")) {
                if query.page != nil { tag(.a, .href(.images(query.fromTheNewest))) { "Newest" } }
                if let next { tag(.a, .href(.images(older(next))), Attribute("rel", "next")) { "Older" } }
            },
        ])
    }

    private func older(_ page: ImagePage) -> ImageQuery {
        var query = query
        query.page = page
        return query
    }

    private var caption: String {
        let words = [
            query.status?.rawValue, query.name.map { "named \($0)" }, query.owner.map { "of \($0)" },
            query.instanceID.map { "from \($0)" },
        ].compactMap { $0 }
        return (words.isEmpty ? "All" : words.joined(separator: ", "))
            + (query.page == nil ? ", newest first" : ", older ones")
    }
}

/// Instances and what is locked.
struct InstancesPage {
    /// Or why they cannot be listed.
    let instances: Result<[Instance], StepFailure>
    let locks: [Lock]

    var html: HTML { .joined([tag(.h1) { "Instances" }, list, lockTable]) }

    private var list: HTML {
        switch instances {
        case .failure(let failure):
            tag(.p, .class("alert")) {
                Mark(.bad, "The instances cannot be listed.").html
                " "
                Words.sentence(failure.message)
            }
        case .success(let instances) where instances.isEmpty: tag(.p, .class("empty")) { "There are no instances." }
        case .success(let instances):
            tag(.section) {
                DataTable(
                    caption: "Instances",
                    isCaptionHidden: true,
                    columns: ["Instance", "Status", "Owner", "Disks", "Locked by"],
                    rows: instances.map { row($0) }
                ).html
            }
        }
    }

    private func row(_ instance: Instance) -> [DataTable.Cell] {
        let holder = locks.first { $0.key == "instance/\(instance.id)" }?.image
        let disks = tag(.ul, .class("plain")) {
            for disk in instance.disks {
                tag(.li) {
                    tag(.code) { disk.device.description }
                    " \(disk.kind.rawValue), \(Quantity.bytes(disk.sizeBytes))"
                }
            }
        }
        return [
            .html(instance.id.link),
            .mark(Mark(instance.status)), .text(instance.owner.text), .html(disks),
            .html(holder.map { $0.link } ?? HTML("–")),
        ]
    }

    private var lockTable: HTML {
        tag(.section) {
            tag(.h2) { "Locks" }
            if locks.isEmpty {
                tag(.p, .class("empty")) { "Nothing is locked." }
            } else {
                tag(.p) { "What the making of an image keeps others from using." }
                DataTable(
                    caption: "Locks",
                    isCaptionHidden: true,
                    columns: ["Instance or disk", "Held by image"],
                    rows: locks.map { [.code($0.key), .html($0.image.link)] }
                ).html
            }
        }
    }
}

/// What owners hold and may hold.
enum QuotasPage {
    static let limit = 1000

    static func html(_ usages: [QuotaUsage], for role: Role) -> HTML {
        .joined([
            tag(.h1) { "Quotas" },
            usages.isEmpty
                ? tag(.p, .class("empty")) { "No owner has asked for an image yet." }
                : DataTable(
                    caption: "Quotas",
                    isCaptionHidden: true,
                    columns: ["Owner", "Images", "Snapshots"] + (role == .operator ? ["Change"] : []),
                    rows: usages.map { row($0, for: role) }
                ).html,
        ])
    }

    private static func row(_ usage: QuotaUsage, for role: Role) -> [DataTable.Cell] {
        let owner = usage.owner
        let change = tag(.a, .href(.quota(owner)), .label("Change the quota of \(owner)")) { "Change" }
        return [
            .text(owner.text),
            .html(use(usage.used.images, of: usage.limits.images, "images of \(owner)")),
            .html(use(usage.used.snapshots, of: usage.limits.snapshots, "snapshots of \(owner)")),
        ] + (role == .operator ? [.html(change)] : [])
    }

    private static func use(_ used: Int, of limit: Int, _ what: String) -> HTML {
        tag(.div, .class("use")) {
            tag(.progress, .label(what), Attribute("max", max(limit, 1)), .value(String(min(used, limit))))
            tag(.span) { "\(used) of \(limit)" }
            if used >= limit { Mark(.warning, "full").html }
        }
    }

    /// One owner's limits, to be changed.
    static func form(_ usage: QuotaUsage, token: String) -> HTML {
        .joined([
            tag(.h1) { "Quota of \(usage.owner)" },
            tag(.p) {
                "It holds \(Words.count(usage.used.images, "image")) and \(Words.count(usage.used.snapshots, "snapshot")). Existing images and snapshots stay, even above a lower limit."
            },
            Form.post(to: .quota(usage.owner), token: token, .class("card")) {
                number("Images", "images", usage.limits.images)
                number("Snapshots", "snapshots", usage.limits.snapshots)
                tag(.div, .class("buttons")) {
                    tag(.button, .type("submit")) { "Set the quota" }
                    tag(.a, .href(.quotas)) { "Back" }
                }
            },
        ])
    }

    private static func number(_ label: String, _ name: String, _ value: Int) -> HTML {
        Form.field(
            label,
            name,
            .type("number"),
            .value(String(value)),
            Attribute("min", 0),
            Attribute("max", 1_000_000),
            Attribute("required")
        )
    }
}
