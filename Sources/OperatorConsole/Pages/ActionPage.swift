import ImageCore
import Operations

/// Asks once more, and says what will happen.
struct ActionPage {
    let form: ActionForm
    let quota: QuotaUsage
    let formToken: String
    /// A new one each time a form is shown: a request that was rejected has its answer for good.
    let requestID: RequestID
    var fields = FormFields()
    var rejection: Rejection?

    private var action: ImageAction { form.action }
    private var image: Image { form.image }
    private var wrongField: String? { rejection.flatMap { form.field(of: $0, fields) } }

    static let requestField = "request-id"

    var html: HTML {
        .joined([
            tag(.p, .class("over")) {
                tag(.a, .href(.images(ImageQuery()))) { "Images" }
                tag(.span, .hidden) { " / " }
                tag(.a, .href(.image(image.id))) { tag(.code) { image.id.text } }
            },
            tag(.h1) { action.question(image.name) },
            rejection.map { alert($0) } ?? .nothing,
            tag(.ul, .class("what")) { for sentence in consequences { tag(.li) { sentence } } },
            Form.post(to: .action(action, image.id), token: formToken, .class("card")) {
                tag(.input, .type("hidden"), .name(Self.requestField), .value(requestID.text))
                inputs
                tag(.div, .class("buttons")) {
                    action.isDestructive
                        ? tag(.button, .type("submit"), .class("grave")) { action.word }
                        : tag(.button, .type("submit")) { action.word }
                    tag(.a, .href(.image(image.id))) { "Back" }
                }
            },
        ])
    }

    private func alert(_ rejection: Rejection) -> HTML {
        tag(.p, .class("alert"), Attribute("role", "alert")) {
            Mark(.bad, "Nothing was done.").html
            " "
            if wrongField == nil {
                Words.sentence(rejection.message)
                " "
                tag(.code) { rejection.code.rawValue }
            } else {
                "One field needs another look."
            }
        }
    }

    // MARK: What will happen

    private var consequences: [String] {
        switch action {
        case .cancel:
            [
                "Its making stops, and what was made of it is deleted.",
                "Instance \(image.plan.instanceID) is unlocked, and its place in the quota of \(image.owner) is given back.",
                "The image stays in Error, as cancelled, until it is tried again or deleted.",
            ]
        case .retry:
            [
                "It is made again under the same id, from the stop check on; captures that are still whole are used again.",
                "Instance \(image.plan.instanceID) must be Stopped, and stays locked until its disks are captured.",
            ]
        case .delete: deletion
        case .share:
            [
                "Those you name may launch instances from it. They can neither change it nor share it further.",
                image.references.sharedWith.isEmpty
                    ? "It is not shared now."
                    : "It is shared with \(image.references.sharedWith.map(\.text).joined(separator: ", ")) already.",
                "While it is shared it cannot be deleted.",
            ]
        case .unshare:
            ["Those you tick can no longer launch from it. Instances that they have launched stay theirs."]
        case .convert:
            [
                "A new image with a cloud system disk is made of it. Both use the same data-disk snapshots.",
                "It takes 1 image and 1 snapshot of the quota of \(image.owner), which holds \(quota.used.images) of \(quota.limits.images) images and \(quota.used.snapshots) of \(quota.limits.snapshots) snapshots.",
                "Until the new one is made, this one is neither deleted nor converted again.",
            ]
        case .prove:
            [
                "A throw-away machine, without a network, is started from the replica you choose, and stopped as soon as it is seen whether it boots.",
                "The image stays Available, whatever is seen. The verdict stands on its page.",
            ]
        case .launch:
            [
                "A new, stopped instance is made of it, with a system disk of \(Quantity.bytes(image.plan.systemDisk.sizeBytes)) and its data disks.",
                "Its id, and the names of its disks, are in the answer.",
            ]
        }
    }

    private var deletion: [String] {
        if image.status == .deleted {
            return ["The snapshots that stayed when it was deleted go too. This cannot be undone."]
        }
        let places = image.replicas.map(\.location.text).joined(separator: ", ")
        return [
            places.isEmpty
                ? "The image is deleted. This cannot be undone."
                : "The image and its replicas at \(places) are deleted. This cannot be undone.",
            "Its snapshots stay, and stay in the quota, unless you say so below.",
        ]
    }

    // MARK: Fields

    private var inputs: HTML {
        switch action {
        case .cancel, .retry: .nothing
        case .delete:
            .joined([
                field("Its name, \(image.name), to confirm", "name", required: true),
                check("deleteSnapshots", "Delete its snapshots too", fields["deleteSnapshots"] == "yes"),
            ])
        case .share: field("Owners, separated by commas", "with", required: true, hint: "such as acct-7, acct-8")
        case .unshare:
            tag(.fieldset, .id("with")) {
                tag(.legend) { "Take it back from" }
                for owner in image.references.sharedWith {
                    let name = ActionForm.ownerField(owner)
                    check(name, owner.text, fields[name] == "yes")
                }
                error("with")
            }
        case .convert: field("The new image's name", "name", hint: "if empty, \(image.name) too")
        case .prove: locationChoice
        case .launch: launchInputs
        }
    }

    private var locationChoice: HTML {
        choice("Location", "location", image.replicas.map { ($0.location.text, $0.location.text) })
    }

    private var launchInputs: HTML {
        .joined([
            form.owners.count > 1
                ? choice("Whose instance it becomes", "owner", form.owners.map { ($0.text, $0.text) }) : .nothing,
            field("Its id", "instanceId", hint: "if empty, one is made up"),
            locationChoice,
            .joined(
                image.plan.dataDisks.map { disk in
                    let without = ActionForm.leaveOutField(disk.device)
                    return tag(.fieldset) {
                        tag(.legend) {
                            "Data disk "
                            tag(.code) { disk.device.description }
                            ", \(Quantity.bytes(disk.sizeBytes))"
                        }
                        field("A larger size, in GiB", ActionForm.sizeField(disk.device), hint: "if empty, as it is")
                        check(without, "Do without it", fields[without] == "yes")
                    }
                }
            ),
            field("Empty disks to add, in GiB", "newDisks", hint: "such as 20, 100"),
            check("dryRun", "Only say what it would get; make nothing", fields["dryRun"] == "yes"),
        ])
    }

    private func field(_ label: String, _ name: String, required: Bool = false, hint: String? = nil) -> HTML {
        var attributes: [Attribute] = [
            .id(name), .name(name), .value(fields[name] ?? ""), Attribute("maxlength", 1000),
            Attribute("autocomplete", "off"),
        ]
        if required { attributes.append(Attribute("required")) }
        let notes = [hint == nil ? nil : "\(name)-hint", wrongField == name ? "\(name)-error" : nil].compactMap { $0 }
        if !notes.isEmpty { attributes.append(Attribute("aria-describedby", notes.joined(separator: " "))) }
        if wrongField == name { attributes.append(Attribute("aria-invalid", "true")) }
        return .joined([
            tag(.label, Attribute("for", name)) { label },
            HTML(.input, attributes, .nothing),
            hint.map { hint in tag(.small, .id("\(name)-hint")) { hint } } ?? .nothing,
            error(name),
        ])
    }

    private func error(_ name: String) -> HTML {
        guard let rejection, wrongField == name else { return .nothing }
        return tag(.p, .id("\(name)-error"), .class("wrong")) {
            Words.sentence(form.message(of: rejection, fields))
            " "
            tag(.code) { rejection.code.rawValue }
        }
    }

    private func check(_ name: String, _ label: String, _ isChecked: Bool) -> HTML {
        tag(.label, .class("check")) {
            isChecked
                ? tag(.input, .type("checkbox"), .name(name), .value("yes"), Attribute("checked"))
                : tag(.input, .type("checkbox"), .name(name), .value("yes"))
            label
        }
    }

    private func choice(_ label: String, _ name: String, _ options: [(value: String, word: String)]) -> HTML {
        .joined([
            tag(.label, Attribute("for", name)) { label },
            tag(.select, .id(name), .name(name)) {
                for option in options {
                    option.value == fields[name]
                        ? tag(.option, .value(option.value), Attribute("selected")) { option.word }
                        : tag(.option, .value(option.value)) { option.word }
                }
            },
            error(name),
        ])
    }
}

/// The buttons of what an operator may ask for.
struct ActionBar {
    let image: Image

    var html: HTML {
        let actions = ImageAction.allowed(by: image)
        guard !actions.isEmpty else { return .nothing }
        return tag(.nav, .class("buttons"), .label("What can be done with \(image.name)")) {
            for action in actions {
                tag(.a, .href(.action(action, image.id)), .class("button quiet")) { "\(action.word)…" }
            }
        }
    }
}
