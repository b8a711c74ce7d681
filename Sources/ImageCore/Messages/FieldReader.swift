/// Reads the fields of one JSON object, remembers which were read, and refuses the rest.
///
/// Every error names the field by its whole path, for example `dataDisks[1].sizeGiB`.
struct FieldReader {
    private let fields: [String: JSONValue]
    private let path: String
    private var read: Set<String> = []

    init(_ value: JSONValue, path: String = "") throws(Rejection) {
        guard case .object(let fields) = value else {
            throw Rejection(
                .invalidArgument,
                "\(path.isEmpty ? "the body" : path) must be an object, not \(value.kind)",
                field: path.isEmpty ? "body" : path
            )
        }
        self.fields = fields
        self.path = path
    }

    func name(_ field: String) -> String { path.isEmpty ? field : "\(path).\(field)" }

    /// `nil` for an absent field and for `null`.
    mutating func optional(_ field: String) -> JSONValue? {
        read.insert(field)
        guard let value = fields[field], value != .null else { return nil }
        return value
    }

    mutating func string(_ field: String) throws(Rejection) -> String? {
        guard let value = optional(field) else { return nil }
        guard case .string(let text) = value else { throw mismatch(field, "a string", value) }
        return text
    }

    mutating func bool(_ field: String) throws(Rejection) -> Bool? {
        guard let value = optional(field) else { return nil }
        guard case .bool(let flag) = value else { throw mismatch(field, "true or false", value) }
        return flag
    }

    mutating func wholeNumber(_ field: String, in range: ClosedRange<Int>) throws(Rejection) -> Int? {
        guard let value = optional(field) else { return nil }
        guard case .number(let number) = value else { throw mismatch(field, "a whole number", value) }
        guard let whole = Int(exactly: number), range.contains(whole) else {
            throw Rejection(
                .outOfRange,
                "\(name(field)) must be a whole number from \(range.lowerBound) to \(range.upperBound)",
                field: name(field)
            )
        }
        return whole
    }

    mutating func list(_ field: String) throws(Rejection) -> [JSONValue]? {
        guard let value = optional(field) else { return nil }
        guard case .array(let items) = value else { throw mismatch(field, "a list", value) }
        return items
    }

    mutating func required<ID: Identifier>(_ field: String, as type: ID.Type) throws(Rejection) -> ID {
        guard let text = try string(field) else {
            throw Rejection(.invalidArgument, "\(name(field)) is missing", field: name(field))
        }
        return try parse(text, field, as: type)
    }

    /// - Returns: `nil` when the field is absent.
    mutating func identifier<ID: Identifier>(_ field: String, as type: ID.Type) throws(Rejection) -> ID? {
        optional(field) == nil ? nil : try required(field, as: type)
    }

    /// The required `device` of a data disk.
    mutating func dataDevice() throws(Rejection) -> DeviceName {
        let field = name("device")
        guard let text = try string("device") else {
            throw Rejection(.invalidArgument, "\(field) is missing", field: field)
        }
        guard let device = DeviceName(text) else {
            throw Rejection(.invalidArgument, "\(field) is not a device name: \(DeviceName.sentence)", field: field)
        }
        guard !device.isSystem else {
            throw Rejection(
                .invalidArgument,
                "/dev/vda is the system disk, which is always there; leave it out",
                field: field
            )
        }
        return device
    }

    func parse<ID: Identifier>(_ text: String, _ field: String, as type: ID.Type) throws(Rejection) -> ID {
        guard let id = ID(text) else {
            throw Rejection(.invalidArgument, "\(name(field)) is not valid: \(ID.sentence)", field: name(field))
        }
        return id
    }

    /// Call last: whatever was not read is unknown, and a typo must not be silently ignored.
    func finish() throws(Rejection) {
        guard let unknown = fields.keys.filter({ !read.contains($0) }).min() else { return }
        // The name comes from outside: shown, but bounded and without what cannot be seen.
        let shown = PlainText.word(unknown)
        throw Rejection(
            .invalidArgument,
            "there is no field '\(name(shown))'; known are \(read.sorted().joined(separator: ", "))",
            field: name(shown)
        )
    }

    func mismatch(_ field: String, _ wanted: String, _ value: JSONValue) -> Rejection {
        Rejection(.invalidArgument, "\(name(field)) must be \(wanted), not \(value.kind)", field: name(field))
    }
}
