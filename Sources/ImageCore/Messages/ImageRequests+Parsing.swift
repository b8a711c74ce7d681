extension ImageRequest {
    init(_ identity: RequestIdentity, _ reader: inout FieldReader) throws(Rejection) {
        let imageID = try reader.required("imageId", as: ImageID.self)
        try reader.finish()
        self.init(requestID: identity.requestID, owner: identity.owner, imageID: imageID)
    }

    public var fields: [String: JSONValue] { Self.fields(imageID: imageID.text) }

    public static func fields(imageID: String) -> [String: JSONValue] { ["imageId": .string(imageID)] }
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

    public var fields: [String: JSONValue] { Self.fields(imageID: imageID.text, deleteSnapshots: deleteSnapshots) }

    /// Only for what was confirmed.
    public static func fields(imageID: String, deleteSnapshots: Bool) -> [String: JSONValue] {
        ["imageId": .string(imageID), "confirm": .bool(true), "deleteSnapshots": .bool(deleteSnapshots)]
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
            let owner = try reader.parse(text, field, as: Owner.self)
            guard !owners.contains(owner) else {
                throw Rejection(.duplicate, "\(owner) is named twice", field: field)
            }
            owners.append(owner)
        }
        try reader.finish()
        self.init(requestID: identity.requestID, owner: identity.owner, imageID: imageID, with: owners)
    }

    public var fields: [String: JSONValue] { Self.fields(imageID: imageID.text, with: with.map(\.text)) }

    public static func fields(imageID: String, with owners: [String]) -> [String: JSONValue] {
        ["imageId": .string(imageID), "with": .array(owners.map { .string($0) })]
    }
}

extension ConvertRequest {
    init(_ identity: RequestIdentity, _ reader: inout FieldReader) throws(Rejection) {
        let imageID = try reader.required("imageId", as: ImageID.self)
        let name = reader.optional("name") == nil ? nil : try CreateRequest.readName(&reader)
        try reader.finish()
        self.init(requestID: identity.requestID, owner: identity.owner, imageID: imageID, name: name)
    }

    public var fields: [String: JSONValue] { Self.fields(imageID: imageID.text, name: name) }

    public static func fields(imageID: String, name: String?) -> [String: JSONValue] {
        .given(["imageId": .string(imageID), "name": name.map { .string($0) }])
    }
}

extension ProveRequest {
    init(_ identity: RequestIdentity, _ reader: inout FieldReader) throws(Rejection) {
        let imageID = try reader.required("imageId", as: ImageID.self)
        let location = try reader.identifier("location", as: LocationName.self)
        try reader.finish()
        self.init(requestID: identity.requestID, owner: identity.owner, imageID: imageID, location: location)
    }

    public var fields: [String: JSONValue] { Self.fields(imageID: imageID.text, location: location?.text) }

    public static func fields(imageID: String, location: String?) -> [String: JSONValue] {
        .given(["imageId": .string(imageID), "location": location.map { .string($0) }])
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

    public var fields: [String: JSONValue] {
        .given([
            "imageId": imageID.map { .string($0.text) },
            "history": history.map { .bool($0) },
            "status": status.map { .string($0.rawValue) },
            "name": name.map { .string($0) },
            "instanceId": instanceID.map { .string($0.text) },
            "labels": labels.map { .object($0.mapValues { .string($0) }) },
            "shared": shared.map { .bool($0) },
            "limit": limit.map { .number(Double($0)) },
            "page": page.map { .string($0.description) },
        ])
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

    public var fields: [String: JSONValue] {
        Self.fields(
            imageID: imageID.text,
            instanceID: instanceID?.text,
            location: location?.text,
            dataDisks: dataDisks.map(\.value),
            newDisks: newDisks.map(\.value),
            dryRun: dryRun == true
        )
    }

    /// - Parameters:
    ///   - dataDisks: made by `Preset.value`.
    ///   - newDisks: made by `NewDisk.value`.
    public static func fields(
        imageID: String,
        instanceID: String?,
        location: String?,
        dataDisks: [JSONValue],
        newDisks: [JSONValue],
        dryRun: Bool
    ) -> [String: JSONValue] {
        .given([
            "imageId": .string(imageID),
            "instanceId": instanceID.map { .string($0) },
            "location": location.map { .string($0) },
            "dataDisks": .array(dataDisks),
            "newDisks": .array(newDisks),
            "dryRun": dryRun ? .bool(true) : nil,
        ])
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

    fileprivate var value: JSONValue {
        Self.value(
            device: device.description,
            sizeGiB: sizeGiB.map { .number(Double($0)) },
            autoDelete: autoDelete,
            leaveOut: leaveOut
        )
    }

    public static func value(
        device: String,
        sizeGiB: JSONValue? = nil,
        autoDelete: Bool? = nil,
        leaveOut: Bool? = nil
    ) -> JSONValue {
        let fields: [String: JSONValue] = .given([
            "device": .string(device),
            "sizeGiB": sizeGiB,
            "autoDelete": autoDelete.map { .bool($0) },
            "leaveOut": leaveOut.map { .bool($0) },
        ])
        return .object(fields)
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

    fileprivate var value: JSONValue { Self.value(sizeGiB: .number(Double(sizeGiB)), autoDelete: autoDelete) }

    public static func value(sizeGiB: JSONValue, autoDelete: Bool? = nil) -> JSONValue {
        let fields: [String: JSONValue] = .given(["sizeGiB": sizeGiB, "autoDelete": autoDelete.map { .bool($0) }])
        return .object(fields)
    }
}
