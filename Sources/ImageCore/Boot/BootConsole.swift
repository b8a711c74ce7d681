/// Reads a guest's serial console as it comes, and finds the first sign in it.
///
/// The guest decides what it prints: escape sequences and control characters are dropped, lines are cut, and only the
/// end is kept. Never traps, whatever comes, and takes the same time for every byte.
public struct BootConsole: Sendable {
    /// The first that was seen.
    public private(set) var sign: BootSign?
    /// The last `limit` bytes of the text, in lines.
    public var text: [UInt8] { (start > 0 ? Array(kept[start...]) : kept) + line }

    /// What is kept of a console, in bytes.
    public static let limit = 64 << 10
    /// What is shown of it.
    public static let excerptLines = 20
    static let lineLimit = 512

    private enum State: Equatable, Sendable {
        case plain
        case escape
        /// `ESC [`, with the bytes of its parameters still to come.
        case control
        /// A string that only another sequence ends, such as a window's title.
        case string
        case stringEscape
        /// One more byte belongs to it, such as the choice of a character set.
        case oneMore
    }

    private var state = State.plain
    private var line: [UInt8] = []
    private var kept: [UInt8] = []
    /// Where in `kept` what still counts begins.
    private var start = 0

    public init() {}

    public mutating func feed(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { feed(byte) }
        look()
    }

    private mutating func feed(_ byte: UInt8) {
        switch state {
        case .plain: plain(byte)
        case .escape:
            switch byte {
            case UInt8(ascii: "["): state = .control
            case UInt8(ascii: "]"), UInt8(ascii: "P"), UInt8(ascii: "X"), UInt8(ascii: "^"), UInt8(ascii: "_"):
                state = .string
            case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "#"), UInt8(ascii: "%"): state = .oneMore
            case 0x1B: state = .escape
            default: state = .plain
            }
        case .control:
            // A byte from 0x40 on ends it. Going to another place is the end of a line for what is on this one.
            guard (0x40...0x7E).contains(byte) else {
                if byte == 0x1B { state = .escape } else if byte < 0x20 { plain(byte) }
                return
            }
            state = .plain
            if [UInt8(ascii: "H"), UInt8(ascii: "f"), UInt8(ascii: "J")].contains(byte) { endLine() }
        case .string:
            if byte == 0x07 { state = .plain } else if byte == 0x1B { state = .stringEscape }
            // A line's end in it: the sequence was none, and must not swallow the rest.
            if byte == 0x0A {
                state = .plain
                endLine()
            }
        case .stringEscape: state = .plain
        case .oneMore: state = .plain
        }
    }

    private mutating func plain(_ byte: UInt8) {
        switch byte {
        case 0x1B: state = .escape
        case 0x0A: endLine()
        case 0x09: append(0x20)
        case 0x20...0x7E, 0x80...0xFF: append(byte)
        default: break
        }
    }

    private mutating func append(_ byte: UInt8) {
        if line.count >= Self.lineLimit { endLine() }
        line.append(byte)
    }

    private mutating func endLine() {
        guard !line.isEmpty else { return }
        look()
        kept.append(contentsOf: line)
        kept.append(0x0A)
        line.removeAll(keepingCapacity: true)
        if kept.count - start > Self.limit { start = kept.count - Self.limit }
        guard start > Self.limit else { return }
        kept.removeFirst(start)
        start = 0
    }

    private mutating func look() {
        guard sign == nil, !line.isEmpty else { return }
        sign = BootSign(in: line[...])
    }

    /// The last lines, each printable and cut.
    public var excerpt: [String] {
        let lines = String(decoding: text.suffix(16 << 10), as: UTF8.self).split(separator: "\n")
        return lines.suffix(Self.excerptLines).map { PlainText.sentence(String($0)) }
    }
}
