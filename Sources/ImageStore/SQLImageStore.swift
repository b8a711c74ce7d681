public import ImageCore
public import SQLAccess

/// The store port on SQL. What happens is decided by the core; here it is only written down, in one transaction.
public struct SQLImageStore: ImageStore {
    let database: any SQLDatabase
    private let decoded = DecodedImages()

    /// Brings the schema up to date.
    /// - Throws: `.corrupt` when the database is newer than this program.
    public init(on database: some SQLDatabase) async throws(StoreError) {
        self.database = database
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
        _ body: @escaping @Sendable (StoreTransaction) throws(SQLError) -> Value
    ) async throws(StoreError) -> Value {
        do {
            return try await database.read { (connection) throws(SQLError) in
                try body(StoreTransaction(connection, decoded))
            }
        } catch {
            throw StoreError(error)
        }
    }

    func write<Value: Sendable>(
        _ body: @escaping @Sendable (StoreTransaction) throws(SQLError) -> Value
    ) async throws(StoreError) -> Value {
        do {
            return try await database.write { (connection) throws(SQLError) in
                try body(StoreTransaction(connection, decoded))
            }
        } catch {
            throw StoreError(error)
        }
    }
}

extension StoreError {
    init(_ error: SQLError) {
        switch error.kind {
        case .unavailable: self.init(.unavailable, error.message)
        case .corrupt, .tooNew: self.init(.corrupt, error.message)
        }
    }
}
