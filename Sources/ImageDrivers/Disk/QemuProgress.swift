/// Reads what `qemu-img -p` prints, `    (12.34/100%)` and a carriage return, over and over, as bytes come.
///
/// A report may be cut anywhere between two reads. Anything that is not such a report is skipped.
struct QemuProgress {
    /// How far the operation is, in hundredths of a percent, 0 … 10000.
    private(set) var basisPoints = 0

    private enum State: Equatable {
        case outside
        case whole(digits: Int, value: Int)
        case fraction(digits: Int, value: Int)
        case suffix(matched: Int, value: Int)
    }
    private var state = State.outside
    private static let suffix = Array("/100%)".utf8)

    mutating func feed(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { feed(byte) }
    }

    mutating func feed(_ byte: UInt8) {
        let digit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) ? Int(byte - UInt8(ascii: "0")) : nil
        switch (state, byte) {
        case (_, UInt8(ascii: "(")):
            state = .whole(digits: 0, value: 0)
        case (.whole(let digits, let value), _) where digit != nil && digits < 3:
            state = .whole(digits: digits + 1, value: value * 10 + (digit ?? 0))
        case (.whole(let digits, let value), UInt8(ascii: ".")) where digits > 0:
            state = .fraction(digits: 0, value: value * 100)
        case (.fraction(let digits, let value), _) where digit != nil && digits < 2:
            state = .fraction(digits: digits + 1, value: value + (digit ?? 0) * (digits == 0 ? 10 : 1))
        case (.fraction(2, let value), UInt8(ascii: "/")):
            state = .suffix(matched: 1, value: value)
        case (.suffix(let matched, let value), _) where byte == Self.suffix[matched]:
            if matched + 1 < Self.suffix.count {
                state = .suffix(matched: matched + 1, value: value)
            } else {
                // Only ever forward: a bar that jumps back frightens people.
                if value <= 10_000 { basisPoints = max(basisPoints, value) }
                state = .outside
            }
        default:
            state = .outside
        }
    }
}
