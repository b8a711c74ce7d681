/// Where a page of an answer ends: `nextPage` in an answer that goes on, `page` in the next request. Opaque to clients.
public enum Page: Codable, Hashable, Sendable, CustomStringConvertible {
    /// A list of images.
    case images(ImagePage)
    /// An image's history, at the line with this sequence number. As text just that; 1 to 999,999,999,999,999,999.
    case history(after: Int64)

    public init?(_ text: String) {
        if let page = ImagePage(text) {
            self = .images(page)
        } else if let sequence = Int64(text), (1..<1_000_000_000_000_000_000).contains(sequence),
            String(sequence) == text
        {
            self = .history(after: sequence)
        } else {
            return nil
        }
    }

    public var description: String {
        switch self {
        case .images(let page): page.description
        case .history(let sequence): String(sequence)
        }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let page = Page(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a page")
        }
        self = page
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
