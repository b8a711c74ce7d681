import SQLAccess

/// An INSERT of several rows at once: a statement costs more than a row.
///
/// The texts are made once, one for each number of rows, so that they stay prepared.
struct RowInsertion: Sendable {
    /// More rows than this take several statements.
    private static let limit = 8

    private let columns: Int
    /// The text for one row, for two, and so on.
    private let texts: [String]

    /// - Parameters:
    ///   - head: up to and with `VALUES`.
    ///   - tail: what follows the rows.
    init(_ head: String, columns: Int, _ tail: String = "") {
        self.columns = columns
        texts = (1...Self.limit).map { count in
            let rows = (0..<count).map { row in
                "(" + (1...columns).map { "$\(row * columns + $0)" }.joined(separator: ", ") + ")"
            }
            return "\(head) \(rows.joined(separator: ", ")) \(tail)"
        }
    }

    /// - Parameter rows: each with a value for every column.
    func statements(for rows: [[SQLValue]]) -> [(text: String, values: [SQLValue])] {
        stride(from: 0, to: rows.count, by: Self.limit).map { begin in
            let part = rows[begin..<min(begin + Self.limit, rows.count)]
            return (texts[part.count - 1], Array(part.joined()))
        }
    }
}
