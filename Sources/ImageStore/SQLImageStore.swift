public import ImageCore
public import SQLAccess
import Synchronization

/// The store port on SQL. What happens is decided by the core; here it is only written down, in one transaction.
public struct SQLImageStore: ImageStore {
    let database: any SQLDatabase
    private let decoded = DecodedImages()
    private let observer: (@Sendable (StoreCall) -> Void)?

    /// Brings the schema up to date.
    /// - Parameter observer: is told of every call when it has ended, from any thread. Default: nobody.
    /// - Throws: `.corrupt` when the database is newer than this program.
    public init(
        on database: some SQLDatabase,
        observer: (@Sendable (StoreCall) -> Void)? = nil
    ) async throws(StoreError) {
        self.database = database
        self.observer = observer
        do {
            try await Schema.migrations.apply(to: database)
        } catch {
            throw StoreError(error)
        }
    }

    /// How far the schema of a database is. Changes nothing.
    /// - Throws: `.corrupt` when the database is damaged.
    public static func schema(of database: some SQLDatabase) async throws(StoreError) -> SchemaStatus {
        do {
            return try await Schema.migrations.status(of: database)
        } catch {
            throw StoreError(error)
        }
    }

    func read<Value: Sendable>(
        for operation: String = #function,
        _ body: @escaping @Sendable (StoreTransaction) throws(SQLError) -> Value
    ) async throws(StoreError) -> Value {
        try await watched(operation) { (runs) throws(SQLError) in
            try await database.read { (connection) throws(SQLError) in
                runs.count()
                return try body(StoreTransaction(connection, decoded))
            }
        }
    }

    func write<Value: Sendable>(
        for operation: String = #function,
        _ body: @escaping @Sendable (StoreTransaction) throws(SQLError) -> Value
    ) async throws(StoreError) -> Value {
        try await watched(operation) { (runs) throws(SQLError) in
            try await database.write { (connection) throws(SQLError) in
                runs.count()
                return try body(StoreTransaction(connection, decoded))
            }
        }
    }

    /// - Parameter operation: the name of the port's function, as `#function` has it.
    private func watched<Value: Sendable>(
        _ operation: String,
        _ call: (Runs) async throws(SQLError) -> Value
    ) async throws(StoreError) -> Value {
        let began = ContinuousClock.now
        let runs = Runs()
        var failure: StoreError.Kind?
        defer {
            observer?(
                StoreCall(
                    operation: String(operation.prefix { $0 != "(" }),
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
    init(_ error: SQLError) {
        switch error.kind {
        case .unavailable: self.init(.unavailable, error.message)
        case .corrupt, .tooNew: self.init(.corrupt, error.message)
        }
    }
}
