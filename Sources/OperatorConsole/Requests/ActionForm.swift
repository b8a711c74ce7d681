import ImageCore

/// What was typed into an action's form, and the request it makes. Judged by the very parser that judges every request.
struct ActionForm {
    let action: ImageAction
    let image: Image

    /// Where a form stands for a data disk.
    static func sizeField(_ device: DeviceName) -> String { "size-\(shortName(device))" }
    static func leaveOutField(_ device: DeviceName) -> String { "without-\(shortName(device))" }
    static func ownerField(_ owner: Owner) -> String { "with-\(owner)" }
    private static func shortName(_ device: DeviceName) -> String { device.description.replacing("/dev/", with: "") }

    /// The owner on whose behalf it is requested: the image's owner, or for a launch one of those it is shared with.
    func owner(_ fields: FormFields) -> Owner? {
        guard action == .launch, let text = fields["owner"] else { return image.owner }
        return Owner(text).flatMap { owners.contains($0) ? $0 : nil }
    }

    /// The owners that may launch from the image.
    var owners: [Owner] { [image.owner] + image.references.sharedWith }

    /// What the request holds beside owner and request id.
    /// - Throws: what only the form can find wrong.
    func body(_ fields: FormFields) throws(Rejection) -> [String: JSONValue] {
        let id = image.id.text
        switch action {
        case .cancel, .retry: return ImageRequest.fields(imageID: id)
        case .delete:
            guard fields["name"] == image.name else {
                throw Rejection(
                    .failedPrecondition,
                    "that is not its name; nothing was deleted. Type \(image.name)",
                    field: "name"
                )
            }
            return DeleteRequest.fields(imageID: id, deleteSnapshots: fields["deleteSnapshots"] == "yes")
        case .share: return ShareRequest.fields(imageID: id, with: Self.words(fields["with"]))
        case .unshare:
            let chosen = image.references.sharedWith.filter { fields[Self.ownerField($0)] == "yes" }
            return ShareRequest.fields(imageID: id, with: chosen.map(\.text))
        case .convert: return ConvertRequest.fields(imageID: id, name: fields.given("name"))
        case .prove: return ProveRequest.fields(imageID: id, location: fields.given("location"))
        case .launch:
            return LaunchRequest.fields(
                imageID: id,
                instanceID: fields.given("instanceId"),
                location: fields.given("location"),
                dataDisks: changedDisks(fields).map { device in
                    LaunchRequest.Preset.value(
                        device: device.description,
                        sizeGiB: fields.given(Self.sizeField(device)).map { Self.number($0) },
                        leaveOut: fields[Self.leaveOutField(device)] == "yes" ? true : nil
                    )
                },
                newDisks: Self.words(fields["newDisks"]).map {
                    LaunchRequest.NewDisk.value(sizeGiB: Self.number($0))
                },
                dryRun: fields["dryRun"] == "yes"
            )
        }
    }

    /// The field of the form that a rejection is about; `nil` when the form has no such field.
    func field(of rejection: Rejection, _ fields: FormFields) -> String? {
        guard let field = rejection.field else { return nil }
        let root = String(field.prefix { $0 != "[" && $0 != "." })
        switch (action, root) {
        case (.launch, "dataDisks"):
            let disks = changedDisks(fields)
            guard let index = Int(field.drop { $0 != "[" }.dropFirst().prefix { $0 != "]" }),
                disks.indices.contains(index)
            else { return nil }
            return Self.sizeField(disks[index])
        case (.launch, "instanceId"), (.launch, "location"), (.launch, "newDisks"), (.launch, "owner"),
            (.convert, "name"), (.prove, "location"), (.delete, "name"), (.share, "with"), (.unshare, "with"):
            return root
        default: return nil
        }
    }

    /// A rejection in a form's words: the user sees no path into a document.
    func message(of rejection: Rejection, _ fields: FormFields) -> String {
        guard let field = rejection.field, rejection.message.hasPrefix(field) else { return rejection.message }
        var subject = "it"
        if action == .share || action == .launch, let root = self.field(of: rejection, fields),
            let index = Int(field.drop { $0 != "[" }.dropFirst().prefix { $0 != "]" })
        {
            let words = Self.words(fields[root])
            // A disk's size is the only word of its field.
            if let word = words.count == 1 ? words.first : words.indices.contains(index) ? words[index] : nil {
                subject = "'\(PlainText.word(word))'"
            }
        }
        return subject + rejection.message.dropFirst(field.count)
    }

    private func changedDisks(_ fields: FormFields) -> [DeviceName] {
        image.plan.dataDisks.map(\.device).filter { device in
            fields.given(Self.sizeField(device)) != nil || fields[Self.leaveOutField(device)] == "yes"
        }
    }

    private static func words(_ text: String?) -> [String] {
        (text ?? "").split { $0 == "," || $0.isWhitespace }.map(String.init)
    }

    /// What is no whole number stays text, and the parser says so.
    private static func number(_ text: String) -> JSONValue {
        Int(text).map { .number(Double($0)) } ?? .string(text)
    }
}
