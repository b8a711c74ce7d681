import HTTPTypes
import Hummingbird
import ImageCore

extension Response {
    static func page(_ html: HTML) -> Response {
        bytes([UInt8](html.markup.utf8), type: "text/html; charset=utf-8")
    }

    static func json(_ value: some Encodable) -> Response {
        bytes(CanonicalJSON.bytes(value), type: "application/json")
    }

    static func bytes(_ bytes: [UInt8], type: String) -> Response {
        Response(
            status: .ok,
            headers: [.contentType: type],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        )
    }

    /// A redirect that is always a GET.
    static func redirect(to route: Route) -> Response {
        Response(status: .seeOther, headers: [.location: route.address])
    }
}

extension Request {
    /// More than any form or document of the console needs.
    static let bodyLimit = 16 * 1024

    func form() async throws -> FormFields {
        guard headers[.contentType]?.hasPrefix("application/x-www-form-urlencoded") == true else {
            throw Problem(.unsupportedMediaType, "a form must be application/x-www-form-urlencoded")
        }
        guard let fields = FormFields(parsing: String(decoding: try await bodyBytes(), as: UTF8.self)) else {
            throw Problem(.badRequest, "the form cannot be read")
        }
        return fields
    }

    func bodyBytes() async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await part in body {
            bytes += [UInt8](buffer: part)
            guard bytes.count <= Self.bodyLimit else {
                throw Problem(.contentTooLarge, "at most \(Self.bodyLimit) bytes are taken")
            }
        }
        return bytes
    }
}
