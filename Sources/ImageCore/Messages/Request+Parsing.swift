/// A request that cannot be used, and whether at least its sender is known.
public struct UnusableRequest: Error, Equatable, Sendable {
    public var rejection: Rejection
    /// `nil` when owner or request id could not be read: then no answer can be recorded, and a human must look.
    public var identity: RequestIdentity?

    public init(rejection: Rejection, identity: RequestIdentity? = nil) {
        self.rejection = rejection
        self.identity = identity
    }
}

extension Request {
    /// The largest body that is looked at, in bytes. A whole machine with every field spelt out takes a few KiB.
    public static let maximumBodyBytes = 256 * 1024

    /// Parses a message's body.
    /// - Parameter messageID: the message's own id, which stands in for a missing `requestId`.
    public static func parse(
        _ operation: Operation,
        contentType: String?,
        messageID: String?,
        body: [UInt8]
    ) throws(UnusableRequest) -> Request {
        func unusable(_ message: String, field: String) -> UnusableRequest {
            UnusableRequest(rejection: Rejection(.invalidArgument, message, field: field))
        }
        let type = contentType?.prefix { $0 != ";" && $0 != " " }.lowercased()
        guard type == "application/json" else {
            throw unusable("content_type must be application/json", field: "content_type")
        }
        guard body.count <= maximumBodyBytes else {
            throw unusable("the body has \(body.count) bytes; at most \(maximumBodyBytes) are taken", field: "body")
        }
        guard let value = JSONValue(parsing: body) else {
            throw unusable("the body is not JSON, or nests too deep or holds too many values", field: "body")
        }

        var reader: FieldReader
        let identity: RequestIdentity
        do {
            reader = try FieldReader(value)
            identity = try readIdentity(&reader, messageID: messageID)
        } catch {
            throw UnusableRequest(rejection: error)
        }
        if let key = JSONValue.repeatedKey(in: body) {
            let name = PlainText.word(key)
            let rejection = Rejection(.invalidArgument, "\(name) stands twice; give it once", field: name)
            // The request's identity must be beyond doubt.
            throw UnusableRequest(
                rejection: rejection,
                identity: ["owner", "requestId"].contains(key) ? nil : identity
            )
        }
        do {
            switch operation {
            case .create: return .create(try CreateRequest(identity, &reader))
            case .cancel: return .cancel(try ImageRequest(identity, &reader))
            case .retry: return .retry(try ImageRequest(identity, &reader))
            case .delete: return .delete(try DeleteRequest(identity, &reader))
            case .share: return .share(try ShareRequest(identity, &reader))
            case .unshare: return .unshare(try ShareRequest(identity, &reader))
            case .convert: return .convert(try ConvertRequest(identity, &reader))
            case .prove: return .prove(try ProveRequest(identity, &reader))
            case .describe: return .describe(try DescribeRequest(identity, &reader))
            case .launch: return .launch(try LaunchRequest(identity, &reader))
            }
        } catch {
            throw UnusableRequest(rejection: error, identity: identity)
        }
    }

    /// A body that `parse` reads. Nothing is judged here: what was typed may be refused there.
    /// - Parameter fields: what the operation takes beside owner and request id, made by `fields` of its type.
    public static func encode(_ fields: [String: JSONValue], owner: String, requestID: String) -> [UInt8] {
        var body = fields
        body["owner"] = .string(owner)
        body["requestId"] = .string(requestID)
        return CanonicalJSON.bytes(JSONValue.object(body))
    }

    /// The body of which `parse` makes this request.
    public var encoded: [UInt8] {
        Self.encode(body.fields, owner: identity.owner.text, requestID: identity.requestID.text)
    }

    private static func readIdentity(
        _ reader: inout FieldReader,
        messageID: String?
    ) throws(Rejection) -> RequestIdentity {
        let owner = try reader.required("owner", as: Owner.self)
        guard let text = try reader.string("requestId") ?? messageID else {
            throw Rejection(
                .invalidArgument,
                "requestId is missing, and the message has no message_id",
                field: "requestId"
            )
        }
        let requestID = try reader.parse(text, "requestId", as: RequestID.self)
        return RequestIdentity(owner: owner, requestID: requestID)
    }
}
