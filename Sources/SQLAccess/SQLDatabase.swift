/// One small API over SQL databases: synchronous work inside one transaction. Knows nothing of images.
///
/// The body of a transaction cannot suspend, so no transaction stays open while its task waits for something else.
public protocol SQLDatabase: Sendable {
    /// Reads one consistent state.
    func read<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLConnection) throws(SQLError) -> Value
    ) async throws(SQLError) -> Value

    /// Runs `body` in a transaction that is durable when this returns. Nothing of it stays when `body` throws.
    ///
    /// `body` may run more than once. After `.unavailable` the transaction has usually not happened, but may have: its
    /// caller repeats it and must be ready to find it done.
    func write<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLConnection) throws(SQLError) -> Value
    ) async throws(SQLError) -> Value

    /// What it says of itself. Changes nothing.
    func facts() async throws(SQLError) -> DatabaseFacts
}

/// What the body of a transaction can do. Parameters are `$1`, `$2`, …; values never stand in the text.
///
/// The notes about other transactions matter for a database with many writers; where writers come one at a time, they
/// hold by themselves.
public protocol SQLConnection {
    /// The answer is not needed: a failure may show with a later statement, at the latest with the commit.
    func execute(_ sql: String, _ arguments: [SQLValue]) throws(SQLError)
    func rowsChanged(by sql: String, _ arguments: [SQLValue]) throws(SQLError) -> Int
    func query(_ sql: String, _ arguments: [SQLValue]) throws(SQLError) -> [SQLRow]
    /// Several queries, one after the other, whose answers are waited for once.
    /// - Returns: the rows of each.
    func query(_ queries: [SQLQuery]) throws(SQLError) -> [[SQLRow]]
    /// The newest state of rows which no other transaction changes until this one ends. In a reading transaction the
    /// same as `query`. `sql` is a plain SELECT of one table.
    func queryForUpdate(_ sql: String, _ arguments: [SQLValue]) throws(SQLError) -> [SQLRow]
    /// Whether there is a table of this name, which holds lower-case letters and `_` only. The only way to tell a
    /// database without tables from one that is damaged.
    func hasTable(_ name: String) throws(SQLError) -> Bool
    /// Waits until no other transaction that has called this is at work. The schema changes below it only.
    func lockSchema() throws(SQLError)
    /// SQL for the present moment by the database's own clock, in microseconds since 1970.
    var nowExpression: String { get }
}

extension SQLConnection {
    public func execute(_ sql: String) throws(SQLError) { try execute(sql, []) }
    public func query(_ sql: String) throws(SQLError) -> [SQLRow] { try query(sql, []) }

    public func query(_ queries: [SQLQuery]) throws(SQLError) -> [[SQLRow]] {
        var answers: [[SQLRow]] = []
        for query in queries {
            answers.append(
                query.isForUpdate
                    ? try queryForUpdate(query.text, query.arguments) : try self.query(query.text, query.arguments)
            )
        }
        return answers
    }
}

/// One of several queries that are asked together.
public struct SQLQuery: Sendable {
    public var text: String
    public var arguments: [SQLValue]
    /// As with `queryForUpdate`.
    public var isForUpdate: Bool

    public init(_ text: String, _ arguments: [SQLValue], forUpdate isForUpdate: Bool = false) {
        (self.text, self.arguments, self.isForUpdate) = (text, arguments, isForUpdate)
    }
}

/// The column types both databases share.
public enum SQLValue: Equatable, Sendable {
    case null
    case integer(Int64)
    case text(String)
}

extension SQLValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    public init(stringLiteral value: String) { self = .text(value) }
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(_ value: Int64?) { self = value.map { .integer($0) } ?? .null }
    public init(_ value: Int) { self = .integer(Int64(value)) }
    public init(_ value: String?) { self = value.map { .text($0) } ?? .null }
}

public struct SQLRow: Sendable {
    /// In the order of the columns; the names are shared by all rows of an answer.
    private let names: [String]
    private let values: [SQLValue]

    public init(_ values: [String: SQLValue]) {
        self.init(names: Array(values.keys), values: Array(values.values))
    }

    /// - Parameter values: one for each name.
    init(names: [String], values: [SQLValue]) { (self.names, self.values) = (names, values) }

    private subscript(_ column: String) -> SQLValue? {
        names.firstIndex(of: column).flatMap { values.indices.contains($0) ? values[$0] : nil }
    }

    public func text(_ column: String) throws(SQLError) -> String {
        guard case .text(let value)? = self[column] else { throw mismatch(column, "text") }
        return value
    }

    public func optionalText(_ column: String) throws(SQLError) -> String? {
        switch self[column] {
        case .text(let value)?: value
        case .null?: nil
        case .integer?, nil: throw mismatch(column, "text or null")
        }
    }

    public func integer(_ column: String) throws(SQLError) -> Int64 {
        guard case .integer(let value)? = self[column] else { throw mismatch(column, "an integer") }
        return value
    }

    public func optionalInteger(_ column: String) throws(SQLError) -> Int64? {
        switch self[column] {
        case .integer(let value)?: value
        case .null?: nil
        case .text?, nil: throw mismatch(column, "an integer or null")
        }
    }

    private func mismatch(_ column: String, _ wanted: String) -> SQLError {
        SQLError(.unreadable, "column \(column) is not \(wanted)")
    }
}

extension SQLRow: Equatable {
    /// Whatever the order of the columns is.
    public static func == (left: Self, right: Self) -> Bool {
        left.names.count == right.names.count && left.names.allSatisfy { left[$0] == right[$0] }
    }
}

public struct SQLError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Kind: Sendable {
        /// Locked, out of reach, full, not allowed or restarting: the same transaction may succeed later, by itself or once
        /// an operator has helped.
        case unavailable
        /// The database said something that this program does not know. It is tried again.
        case unknown
        /// The database does not take the statement or its values, and never will.
        case refused
        /// The schema or the data is not what the program writes.
        case unreadable
        /// The database itself says that its data is damaged.
        case damaged
        /// The database was written by a newer version of the program.
        case tooNew
    }

    public var kind: Kind
    public var message: String
    /// What can be done about it, where more is known than the kind.
    public var advice: String?

    public init(_ kind: Kind, _ message: String, advice: String? = nil) {
        self.kind = kind
        self.message = message
        self.advice = advice
    }

    public var description: String { message + (advice.map { "; \($0)" } ?? "") }
}
