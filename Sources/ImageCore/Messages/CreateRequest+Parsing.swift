extension CreateRequest {
    static let nameLength = 2...32
    static let maximumDetails = 256
    static let maximumDataDisks = 64
    static let sizesGiB = 1...(1 << 20)
    static let maximumLocations = 64
    static let maximumLabels = 32
    static let maximumLabelLength = 63

    init(_ identity: RequestIdentity, _ reader: inout FieldReader) throws(Rejection) {
        let instanceID = try reader.required("instanceId", as: InstanceID.self)
        let name = try Self.readName(&reader)
        let details = try reader.string("description") ?? ""
        guard details.fits(Self.maximumDetails) else {
            throw Rejection(
                .outOfRange,
                "description must have at most \(Self.maximumDetails) characters",
                field: "description"
            )
        }
        guard details.unicodeScalars.allSatisfy({ !$0.isControl || $0 == "\n" }) else {
            throw Rejection(.invalidArgument, "description may not hold control characters", field: "description")
        }
        let dataDisks = try Self.readDataDisks(&reader)
        let locations = try Self.readLocations(&reader)
        let guestChecks = try Self.readWord("guestChecks", as: GuestChecks.self, &reader) ?? .warn
        let bootProof = try Self.readWord("bootProof", as: BootProof.self, &reader)
        let seal = try Self.readSeal(&reader)
        let secretScan = try Self.readWord("secretScan", as: SecretScan.self, &reader)
        let labels = try Self.readLabels(&reader)
        let dryRun = try reader.bool("dryRun")
        try reader.finish()
        self.init(
            requestID: identity.requestID,
            owner: identity.owner,
            instanceID: instanceID,
            name: name,
            details: details,
            dataDisks: dataDisks,
            replicateTo: locations,
            guestChecks: guestChecks,
            bootProof: bootProof,
            seal: seal,
            secretScan: secretScan,
            labels: labels,
            dryRun: dryRun == true ? true : nil
        )
    }

    public var fields: [String: JSONValue] {
        var isWhole = false
        var disks: [JSONValue] = []
        switch dataDisks {
        case .all: isWhole = true
        case .chosen(let chosen): disks = chosen.map(\.value)
        }
        return Self.fields(
            instanceID: instanceID.text,
            name: name,
            details: details,
            allDataDisks: isWhole,
            dataDisks: disks,
            replicateTo: replicateTo?.map(\.text),
            guestChecks: guestChecks.rawValue,
            bootProof: bootProof?.rawValue,
            seal: seal?.value,
            secretScan: secretScan?.rawValue,
            labels: labels,
            dryRun: dryRun == true
        )
    }

    /// - Parameters:
    ///   - allDataDisks: instead of `dataDisks`.
    ///   - dataDisks: made by `DataDisk.value`.
    ///   - replicateTo: `nil` for every location.
    ///   - seal: `true`, or a list of items.
    public static func fields(
        instanceID: String,
        name: String,
        details: String,
        allDataDisks: Bool,
        dataDisks: [JSONValue],
        replicateTo: [String]?,
        guestChecks: String,
        bootProof: String? = nil,
        seal: JSONValue? = nil,
        secretScan: String? = nil,
        labels: [String: String],
        dryRun: Bool
    ) -> [String: JSONValue] {
        .given([
            "instanceId": .string(instanceID),
            "name": .string(name),
            "description": .string(details),
            "dataDisks": allDataDisks ? .string("all") : .array(dataDisks),
            "replicateTo": replicateTo.map { .array($0.map { .string($0) }) },
            "guestChecks": .string(guestChecks),
            "bootProof": bootProof.map { .string($0) },
            "seal": seal,
            "secretScan": secretScan.map { .string($0) },
            "labels": .object(labels.mapValues { .string($0) }),
            "dryRun": dryRun ? .bool(true) : nil,
        ])
    }

    static func readName(_ reader: inout FieldReader) throws(Rejection) -> String {
        guard let name = try reader.string("name") else {
            throw Rejection(.invalidArgument, "name is missing", field: "name")
        }
        guard name.count >= nameLength.lowerBound, name.fits(nameLength.upperBound) else {
            throw Rejection(
                .outOfRange,
                "name must have \(nameLength.lowerBound) to \(nameLength.upperBound) characters; it has \(name.count)",
                field: "name"
            )
        }
        guard name.unicodeScalars.allSatisfy(\.isPartOfName) else {
            throw Rejection(.invalidArgument, "name may hold letters, digits, '_', '-' and '.'", field: "name")
        }
        return name
    }

    private static func readDataDisks(_ reader: inout FieldReader) throws(Rejection) -> DataDisks {
        switch reader.optional("dataDisks") {
        case nil: return .chosen([])
        case .string("all"): return .all
        case .array(let items):
            guard items.count <= maximumDataDisks else {
                throw Rejection(
                    .outOfRange,
                    "dataDisks names \(items.count) disks; at most \(maximumDataDisks) can be attached",
                    field: "dataDisks"
                )
            }
            var disks: [DataDisk] = []
            for (index, item) in items.enumerated() {
                let disk = try readDataDisk(item, path: "dataDisks[\(index)]")
                guard !disks.contains(where: { $0.device == disk.device }) else {
                    throw Rejection(
                        .duplicate,
                        "\(disk.device) is asked for twice",
                        field: "dataDisks[\(index)].device"
                    )
                }
                disks.append(disk)
            }
            return .chosen(disks)
        case let value?: throw reader.mismatch("dataDisks", "a list of disks or \"all\"", value)
        }
    }

    private static func readDataDisk(_ value: JSONValue, path: String) throws(Rejection) -> DataDisk {
        var reader = try FieldReader(value, path: path)
        let disk = DataDisk(
            device: try reader.dataDevice(),
            sizeGiB: try reader.wholeNumber("sizeGiB", in: sizesGiB),
            autoDelete: try reader.bool("autoDelete")
        )
        try reader.finish()
        return disk
    }

    private static func readLocations(_ reader: inout FieldReader) throws(Rejection) -> [LocationName]? {
        guard let items = try reader.list("replicateTo") else { return nil }
        guard (1...maximumLocations).contains(items.count) else {
            throw Rejection(
                .outOfRange,
                "replicateTo must name 1 to \(maximumLocations) locations; leave it out for all of them",
                field: "replicateTo"
            )
        }
        var locations: [LocationName] = []
        for (index, item) in items.enumerated() {
            let field = "replicateTo[\(index)]"
            guard case .string(let text) = item else { throw reader.mismatch(field, "a location's name", item) }
            let location = try reader.parse(text, field, as: LocationName.self)
            guard !locations.contains(location) else {
                throw Rejection(.duplicate, "location \(location) is asked for twice", field: field)
            }
            locations.append(location)
        }
        return locations
    }

    /// One word of a list.
    private static func readWord<Word: RawRepresentable<String> & CaseIterable>(
        _ field: String,
        as type: Word.Type,
        _ reader: inout FieldReader
    ) throws(Rejection) -> Word? {
        guard let text = try reader.string(field) else { return nil }
        guard let word = Word(rawValue: text) else {
            throw Rejection(
                .invalidArgument,
                "\(field) must be one of \(Word.allCases.map(\.rawValue).joined(separator: ", "))",
                field: field
            )
        }
        return word
    }

    private static func readSeal(_ reader: inout FieldReader) throws(Rejection) -> [SealItem]? {
        switch reader.optional("seal") {
        case nil, .bool(false): return nil
        case .bool(true): return SealItem.allCases
        case .array(let items):
            guard !items.isEmpty else {
                throw Rejection(.outOfRange, "seal names no item; leave it out, or say true", field: "seal")
            }
            var chosen: Set<SealItem> = []
            for (index, item) in items.enumerated() {
                let field = "seal[\(index)]"
                guard case .string(let text) = item else { throw reader.mismatch(field, "an item's name", item) }
                guard let known = SealItem(rawValue: text) else {
                    throw Rejection(
                        .invalidArgument,
                        "\(field) must be one of \(SealItem.allCases.map(\.rawValue).joined(separator: ", "))",
                        field: field
                    )
                }
                guard chosen.insert(known).inserted else {
                    throw Rejection(.duplicate, "\(text) is asked for twice", field: field)
                }
            }
            return SealItem.allCases.filter(chosen.contains)
        case let value?: throw reader.mismatch("seal", "true or a list of items", value)
        }
    }

    static func readLabels(_ reader: inout FieldReader) throws(Rejection) -> [String: String] {
        guard let value = reader.optional("labels") else { return [:] }
        guard case .object(let fields) = value else { throw reader.mismatch("labels", "an object of strings", value) }
        guard fields.count <= maximumLabels else {
            throw Rejection(.outOfRange, "at most \(maximumLabels) labels can be set", field: "labels")
        }
        var labels: [String: String] = [:]
        // In order, so that every worker finds the same fault first.
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
            guard IdentifierRule.allows(key) else {
                throw Rejection(
                    .invalidArgument,
                    "a label's name is not valid: \(IdentifierRule.sentence)",
                    field: "labels"
                )
            }
            guard case .string(let text) = value, text.fits(maximumLabelLength),
                text.unicodeScalars.allSatisfy({ !$0.isControl })
            else {
                throw Rejection(
                    .invalidArgument,
                    "label '\(key)' must be a string of at most \(maximumLabelLength) characters",
                    field: "labels.\(key)"
                )
            }
            labels[key] = text
        }
        return labels
    }
}

extension CreateRequest.DataDisk {
    fileprivate var value: JSONValue {
        Self.value(device: device.description, sizeGiB: sizeGiB.map { .number(Double($0)) }, autoDelete: autoDelete)
    }

    public static func value(device: String, sizeGiB: JSONValue? = nil, autoDelete: Bool? = nil) -> JSONValue {
        LaunchRequest.Preset.value(device: device, sizeGiB: sizeGiB, autoDelete: autoDelete)
    }
}

extension [SealItem] {
    /// As in a message.
    public var value: JSONValue {
        count == SealItem.allCases.count ? .bool(true) : .array(map { .string($0.rawValue) })
    }
}

extension [String: JSONValue] {
    /// Without the fields that are `nil`.
    static func given(_ fields: [String: JSONValue?]) -> Self { fields.compactMapValues { $0 } }
}

extension String {
    /// Whether it has at most `limit` characters, and not many times the bytes: one character may hold any number of
    /// combining marks.
    fileprivate func fits(_ limit: Int) -> Bool { utf8.count <= 4 * limit && count <= limit }
}

extension Unicode.Scalar {
    fileprivate var isControl: Bool { properties.generalCategory == .control }

    /// Visible letters of any script with their marks, digits, `_`, `-` and `.`
    fileprivate var isPartOfName: Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .nonspacingMark,
            .spacingMark, .decimalNumber:
            !properties.isDefaultIgnorableCodePoint
        default: self == "_" || self == "-" || self == "."
        }
    }
}
