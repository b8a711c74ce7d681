import Glibc
import ImageCore
import ImageStore
import SQLAccess
import SystemPackage

/// Where the installations' databases are, and what can be done to them.
protocol StoreSite: Sendable {
    var name: String { get }
    var faults: [Fault] { get }
    /// What the workers of an installation are given.
    func url(for prefix: String) async throws -> String
    /// The same database as the harness sees it: by a path without faults.
    func store(for prefix: String) async throws -> any ImageStore
    /// - Parameter bytes: how far a statement gets that is cut.
    func inflict(_ fault: Fault, for time: Duration, bytes: Int) async throws
    /// Ends every fault.
    func heal() async throws
    func stop() async
}

/// SQLite: a file each. It cannot be restarted, but another process can lock it.
final class SQLiteSite: StoreSite {
    let name = "sqlite"
    let faults = [Fault.freezeStore]
    private let folder: FilePath

    init(_ folder: FilePath) { self.folder = folder }

    private func path(_ prefix: String) -> String { folder.appending("\(prefix).sqlite").string }

    func url(for prefix: String) -> String { "sqlite://" + path(prefix) }

    func store(for prefix: String) async throws -> any ImageStore {
        try await SQLImageStore(on: SQLiteDatabase(path: path(prefix)))
    }

    /// A transaction of ours that is in no hurry.
    func inflict(_ fault: Fault, for time: Duration, bytes: Int) async throws {
        for prefix in ["bulk", "real"] {
            let database = try SQLiteDatabase(path: path(prefix))
            try await database.write { (connection) throws(SQLError) in
                try connection.execute("DELETE FROM outbox WHERE id = ''")
                // The body of a transaction runs on the database's own thread, which may block.
                usleep(UInt32(clamping: time.components.seconds * 1_000_000))
            }
        }
    }

    func heal() {}
    func stop() {}
}
