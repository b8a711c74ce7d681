import ImageCore
import Operations

/// One instance, and the images created from it.
struct InstancePage {
    let instance: Instance
    /// The image that has locked it.
    let holder: ImageID?
    let images: [Image]
    let role: Role

    var html: HTML {
        .joined([
            tag(.section, .class("head")) {
                tag(.p, .class("over")) { tag(.a, .href(.instances)) { "Instances" } }
                tag(.h1) {
                    instance.id.text
                    Mark(instance.status).html
                }
                tag(.dl, .class("facts")) {
                    if let host = instance.host { fact("Host") { host.text } }
                    fact("Owner") { instance.owner.text }
                    if let holder {
                        fact("Locked by") { holder.link }
                    }
                }
            },
            tag(.section) {
                DataTable(
                    caption: "Disks",
                    columns: ["Device", "Kind", "Size"],
                    rows: instance.disks.map {
                        [.code($0.device.description), .text($0.kind.rawValue), .number(Quantity.bytes($0.sizeBytes))]
                    }
                ).html
            },
            tag(.section) {
                images.isEmpty
                    ? tag(.p, .class("empty")) { "No image is made of it." }
                    : ImageTable(images: images, caption: "Images made of it", offersActions: role == .operator).html
            },
        ])
    }
}

extension Mark {
    init(_ status: InstanceStatus) {
        switch status {
        case .stopped: self.init(.off, status.description)
        case .running: self.init(.good, status.description)
        case .other(let text): self.init(.waiting, text)
        }
    }
}
