/// Where a page of an answer ends: an answer that goes on has it as `nextPage`, and the next request as `page`. Opaque to
/// whoever asks.
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

/// One page of an image's history, filled with the lines that are its reader's business: an image's owner does not see
/// the launches of others, nor they the rest.
public struct HistoryPage: Sendable {
    /// The most lines on a page.
    public static let lineLimit = 500
    /// What the lines of a page come to at most as JSON, but for a first line that is larger by itself.
    public static let byteLimit = 256 << 10

    public private(set) var lines: [HistoryLine] = []
    /// The last sequence number that was looked at.
    public private(set) var last: Int64
    /// Whether a line was left for the next page.
    public private(set) var isFull = false
    private var bytes = 0

    /// - Parameter sequence: where the page before ended; 0 for the first.
    public init(after sequence: Int64) { last = sequence }

    public var next: Page? { isFull ? .history(after: last) : nil }

    /// Takes lines until it is full.
    /// - Parameter lines: what follows `last`, in order.
    public mutating func take(_ lines: [Announcement], of image: Image, for owner: Owner) {
        for line in lines where !isFull {
            guard (line.launch?.owner ?? image.owner) == owner else {
                last = line.sequence
                continue
            }
            let shown = HistoryLine(line)
            let size = CanonicalJSON.bytes(shown).count
            isFull = !self.lines.isEmpty && (self.lines.count >= Self.lineLimit || bytes + size > Self.byteLimit)
            guard !isFull else { return }
            self.lines.append(shown)
            bytes += size
            last = line.sequence
        }
    }
}
