extension ImageRequest {
    init(_ identity: RequestIdentity, _ reader: inout FieldReader) throws(Rejection) {
        let imageID = try reader.required("imageId", as: ImageID.self)
        try reader.finish()
        self.init(requestID: identity.requestID, owner: identity.owner, imageID: imageID)
    }
}

extension DeleteRequest {
    init(_ identity: RequestIdentity, _ reader: inout FieldReader) throws(Rejection) {
        let imageID = try reader.required("imageId", as: ImageID.self)
        let isConfirmed = try reader.bool("confirm")
        let deleteSnapshots = try reader.bool("deleteSnapshots") ?? false
        try reader.finish()
        guard isConfirmed == true else {
            throw Rejection(
                .failedPrecondition,
                "deleting an image cannot be undone; say \"confirm\": true to do it",
                field: "confirm"
            )
        }
        self.init(
            requestID: identity.requestID,
            owner: identity.owner,
            imageID: imageID,
            deleteSnapshots: deleteSnapshots
        )
    }
}

extension ShareRequest {
    static let maximumOwners = 64

    init(_ identity: RequestIdentity, _ reader: inout FieldReader) throws(Rejection) {
        let imageID = try reader.required("imageId", as: ImageID.self)
        let items = try reader.list("with") ?? []
        guard (1...Self.maximumOwners).contains(items.count) else {
            throw Rejection(.outOfRange, "with must name 1 to \(Self.maximumOwners) owners", field: "with")
        }
        var owners: [Owner] = []
        for (index, item) in items.enumerated() {
            let field = "with[\(index)]"
            guard case .string(let text) = item else { throw reader.mismatch(field, "an owner", item) }
            let owner = try reader.parse(text, field, as: Owner.self, rule: Owner.sentence)
            guard !owners.contains(owner) else {
                throw Rejection(.duplicate, "\(owner) is named twice", field: field)
            }
            owners.append(owner)
        }
        try reader.finish()
        self.init(requestID: identity.requestID, owner: identity.owner, imageID: imageID, with: owners)
    }
}

extension ConvertRequest {
    init(_ identity: RequestIdentity, _ reader: inout FieldReader) throws(Rejection) {
        let imageID = try reader.required("imageId", as: ImageID.self)
        let name = reader.optional("name") == nil ? nil : try CreateRequest.readName(&reader)
        try reader.finish()
        self.init(requestID: identity.requestID, owner: identity.owner, imageID: imageID, name: name)
    }
}

extension DescribeRequest {
    static let limits = 1...100
    private static let noPage = Rejection(
        .invalidArgument,
        "page is not the nextPage of an answer to the same question",
        field: "page"
    )

    init(_ identity: RequestIdentity, _ reader: inout FieldReader) throws(Rejection) {
        requestID = identity.requestID
        owner = identity.owner
        if reader.optional("imageId") != nil {
            imageID = try reader.required("imageId", as: ImageID.self)
            history = try reader.bool("history")
            if history == true, let text = try reader.string("page") {
                guard case .history = Page(text) else { throw Self.noPage }
                page = Page(text)
            }
            // A filter beside an image would be silently ignored: it counts as unknown.
            try reader.finish()
            return
        }
        if let text = try reader.string("status") {
            guard let known = ImageStatus(rawValue: text) else {
                let all = ImageStatus.allCases.map(\.rawValue).joined(separator: ", ")
                throw Rejection(.invalidArgument, "status must be one of \(all)", field: "status")
            }
            status = known
        }
        name = reader.optional("name") == nil ? nil : try CreateRequest.readName(&reader)
        if reader.optional("instanceId") != nil {
            instanceID = try reader.required("instanceId", as: InstanceID.self)
        }
        let wanted = try CreateRequest.readLabels(&reader)
        labels = wanted.isEmpty ? nil : wanted
        shared = try reader.bool("shared")
        limit = try reader.wholeNumber("limit", in: Self.limits)
        if let text = try reader.string("page") {
            guard case .images = Page(text) else { throw Self.noPage }
            page = Page(text)
        }
        try reader.finish()
    }
}

extension LaunchRequest {
    init(_ identity: RequestIdentity, _ reader: inout FieldReader) throws(Rejection) {
        let imageID = try reader.required("imageId", as: ImageID.self)
        let instanceID = try reader.identifier("instanceId", as: InstanceID.self)
        let location = try reader.identifier("location", as: LocationName.self)
        var presets: [Preset] = []
        for (index, item) in try Self.items("dataDisks", &reader).enumerated() {
            let preset = try Preset(item, path: "dataDisks[\(index)]")
            guard !presets.contains(where: { $0.device == preset.device }) else {
                throw Rejection(
                    .duplicate,
                    "\(preset.device) is named twice",
                    field: "dataDisks[\(index)].device"
                )
            }
            presets.append(preset)
        }
        var added: [NewDisk] = []
        for (index, item) in try Self.items("newDisks", &reader).enumerated() {
            added.append(try NewDisk(item, path: "newDisks[\(index)]"))
        }
        let dryRun = try reader.bool("dryRun")
        try reader.finish()
        self.init(
            requestID: identity.requestID,
            owner: identity.owner,
            imageID: imageID,
            instanceID: instanceID,
            location: location,
            dataDisks: presets,
            newDisks: added,
            dryRun: dryRun == true ? true : nil
        )
    }

    private static func items(_ field: String, _ reader: inout FieldReader) throws(Rejection) -> [JSONValue] {
        let items = try reader.list(field) ?? []
        guard items.count <= CreateRequest.maximumDataDisks else {
            throw Rejection(
                .outOfRange,
                "\(field) names \(items.count) disks; at most \(CreateRequest.maximumDataDisks) can be attached",
                field: field
            )
        }
        return items
    }
}

extension LaunchRequest.Preset {
    init(_ value: JSONValue, path: String) throws(Rejection) {
        var reader = try FieldReader(value, path: path)
        device = try reader.dataDevice()
        sizeGiB = try reader.wholeNumber("sizeGiB", in: CreateRequest.sizesGiB)
        autoDelete = try reader.bool("autoDelete")
        leaveOut = try reader.bool("leaveOut")
        try reader.finish()
    }
}

extension LaunchRequest.NewDisk {
    init(_ value: JSONValue, path: String) throws(Rejection) {
        var reader = try FieldReader(value, path: path)
        guard let size = try reader.wholeNumber("sizeGiB", in: CreateRequest.sizesGiB) else {
            throw Rejection(.invalidArgument, "\(path).sizeGiB is missing", field: "\(path).sizeGiB")
        }
        sizeGiB = size
        autoDelete = try reader.bool("autoDelete")
        try reader.finish()
    }
}
