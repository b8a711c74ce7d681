public import ImageCore
public import SQLAccess
import Synchronization

/// The store port on SQL. What happens is decided by the core; here it is only written down, in one transaction.
public struct SQLImageStore: ImageStore {
    let database: any SQLDatabase
    private let decoded = DecodedImages()
    private let clock: (any Timekeeper)?
    private let observer: (@Sendable (StoreCall) -> Void)?

    /// Brings the schema up to date.
    /// - Parameter clock: whose time of day is the store's. Default: the database's own.
    /// - Parameter observer: notified of every call when it has ended, from any thread. Default: none.
    /// - Throws: `.unreadable` when the database is newer than this program.
    public init(
        on database: some SQLDatabase,
        clock: (any Timekeeper)? = nil,
        observer: (@Sendable (StoreCall) -> Void)? = nil
    ) async throws(StoreError) {
        self.database = database
        self.clock = clock
        self.observer = observer
        do {
            try await Schema.migrations.apply(to: database)
        } catch {
            throw StoreError(error)
        }
    }

    /// How far the schema of a database is. Changes nothing.
    /// - Throws: `.damaged` when the database is damaged, `.unreadable` when its tables are not ours.
    public static func schema(of database: some SQLDatabase) async throws(StoreError) -> SchemaStatus {
        do {
            return try await Schema.migrations.status(of: database)
        } catch {
            throw StoreError(error)
        }
    }

    public func time() async throws(StoreError) -> Timestamp {
        try await read(for: .time) { (transaction) throws(SQLError) in try transaction.time() }
    }

    func read<Value: Sendable>(
        for operation: StoreOperation,
        _ body: @escaping @Sendable (StoreTransaction) throws(SQLError) -> Value
    ) async throws(StoreError) -> Value {
        try await observed(operation) { (runs) throws(SQLError) in
            try await database.read { (connection) throws(SQLError) in
                runs.count()
                return try body(StoreTransaction(connection, decoded, clock))
            }
        }
    }

    func write<Value: Sendable>(
        for operation: StoreOperation,
        _ body: @escaping @Sendable (StoreTransaction) throws(SQLError) -> Value
    ) async throws(StoreError) -> Value {
        try await observed(operation) { (runs) throws(SQLError) in
            try await database.write { (connection) throws(SQLError) in
                runs.count()
                return try body(StoreTransaction(connection, decoded, clock))
            }
        }
    }

    private func observed<Value: Sendable>(
        _ operation: StoreOperation,
        _ call: (Runs) async throws(SQLError) -> Value
    ) async throws(StoreError) -> Value {
        let began = ContinuousClock.now
        let runs = Runs()
        var failure: StoreError.Kind?
        defer {
            observer?(
                StoreCall(
                    operation: operation,
                    duration: ContinuousClock.now - began,
                    repeats: max(0, runs.number - 1),
                    failure: failure
                )
            )
        }
        do {
            return try await call(runs)
        } catch {
            let error = StoreError(error)
            failure = error.kind
            throw error
        }
    }
}

/// How often the body of one transaction was run.
private final class Runs: Sendable {
    private let runs = Atomic(0)
    var number: Int { runs.load(ordering: .relaxed) }
    func count() { runs.add(1, ordering: .relaxed) }
}

extension StoreError {
    public init(_ error: SQLError) {
        let kind: Kind =
            switch error.kind {
            case .unavailable: .unavailable
            case .unknown: .unknown
            case .refused: .refused
            case .unreadable, .tooNew: .unreadable
            case .damaged: .damaged
            }
        self.init(kind, error.message, advice: error.advice)
    }
}
