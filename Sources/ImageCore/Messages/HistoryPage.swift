/// One page of an image's history, filled with the lines that are its reader's business: an image's owner does not see
/// the launches of others, nor they the rest.
public struct HistoryPage: Sendable {
    /// The most lines on a page.
    public static let lineLimit = 500
    /// The most JSON in the lines of a page, except for a first line that is larger by itself.
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
