import SQLAccess

/// An INSERT of several rows at once: a statement costs more than a row.
///
/// The texts are made once, one for each number of rows, so that they stay prepared.
struct RowInsertion: Sendable {
    /// More rows than this take several statements.
    private static let limit = 8

    /// The text for one row, for two, and so on.
    private let texts: [String]

    /// - Parameters:
    ///   - head: up to and with `VALUES`.
    ///   - tail: what follows the rows.
    init(_ head: String, columns: Int, _ tail: String = "") {
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

/// A change of many rows, named by their keys.
///
/// It is made for few numbers of rows, so that the texts stay prepared: the rest takes another statement.
struct RowChange: Sendable {
    private static let sizes = [64, 16, 8, 4, 2, 1]

    private let texts: [(size: Int, text: String)]

    /// - Parameters:
    ///   - head: up to its condition.
    ///   - key: the columns that name a row.
    init(_ head: String, key: [String]) {
        texts = Self.sizes.map { size in
            let rows = (0..<size).map { row in
                let columns = key.enumerated().map { "\($1) = $\(row * key.count + $0 + 1)" }
                return "(\(columns.joined(separator: " AND ")))"
            }
            return (size, "\(head) WHERE \(rows.joined(separator: " OR "))")
        }
    }

    /// - Parameter keys: each with a value for every column.
    func statements(for keys: [[SQLValue]]) -> [(text: String, values: [SQLValue])] {
        var left = keys[...]
        var statements: [(text: String, values: [SQLValue])] = []
        for (size, text) in texts {
            while left.count >= size {
                statements.append((text, Array(left.prefix(size).joined())))
                left = left.dropFirst(size)
            }
        }
        return statements
    }
}
