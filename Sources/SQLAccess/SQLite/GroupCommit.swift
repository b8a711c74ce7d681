import GRDB
import Synchronization

/// Transactions that wait for the one disk, to be committed together: one `fsync` makes all of them durable. While a
/// commit is on its way to the disk, the next group gathers; so a lone transaction does not wait, and concurrent ones
/// share.
///
/// Bodies hardly ever fail. So a group runs without savepoints first, and only when one of its bodies fails is all of it
/// taken back and run again, each body in a savepoint of its own.
///
/// Nothing is promised early: a transaction's caller hears of it only after the commit of its group.
final class GroupCommit: Sendable {
    /// The most bodies in one commit: bounds how long the first of them waits for the last.
    private static let limit = 64

    private struct State {
        var waiting: [any GroupMember] = []
        var isScheduled = false
    }

    private let queue: DatabaseQueue
    private let state = Mutex(State())

    init(_ queue: DatabaseQueue) { self.queue = queue }

    func run<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLConnection) throws(SQLError) -> Value
    ) async -> Result<Value, SQLError> {
        await withCheckedContinuation { continuation in
            let member = Member(body, continuation)
            let isFirst = state.withLock { state in
                state.waiting.append(member)
                defer { state.isScheduled = true }
                return !state.isScheduled
            }
            if isFirst { schedule() }
        }
    }

    /// GRDB's own `async` functions refuse to work in a cancelled task; a stopping worker must still be able
    /// to write down where it stopped. So: the callback form.
    private func schedule() {
        queue.asyncWriteWithoutTransaction { database in
            let group = self.state.withLock { state in
                let group = Array(state.waiting.prefix(Self.limit))
                state.waiting.removeFirst(group.count)
                state.isScheduled = !state.waiting.isEmpty
                return (members: group, isFollowed: state.isScheduled)
            }
            // New transactions queue behind those that already wait.
            if group.isFollowed { self.schedule() }
            Self.commit(group.members, to: database)
        }
    }

    private static func commit(_ members: [any GroupMember], to database: Database) {
        var failure: SQLError?
        do {
            if try !isCommitted(members, to: database), members.count > 1 { try commitApart(members, to: database) }
        } catch {
            failure = SQLError(error, "SQLite")
        }
        for member in members { member.finish(failure) }
    }

    /// - Returns: whether every body succeeded. If not, nothing of any has happened.
    private static func isCommitted(_ members: [any GroupMember], to database: Database) throws -> Bool {
        var isWhole = true
        try database.inTransaction(.immediate) {
            for member in members where isWhole { isWhole = member.attempt(in: database) }
            return isWhole ? .commit : .rollback
        }
        return isWhole
    }

    private static func commitApart(_ members: [any GroupMember], to database: Database) throws {
        try database.inTransaction(.immediate) {
            for member in members {
                // A full disk ends the whole transaction, not just the savepoint.
                guard database.isInsideTransaction else { break }
                try database.inSavepoint { member.attempt(in: database) ? .commit : .rollback }
            }
            guard database.isInsideTransaction else {
                throw SQLError(.unavailable, "SQLite: the transaction was rolled back")
            }
            return .commit
        }
    }
}

/// One caller's part of a group, whatever its value is.
private protocol GroupMember: Sendable {
    /// Runs the body.
    /// - Returns: whether it succeeded.
    func attempt(in database: Database) -> Bool
    /// - Parameter failure: why the group was not committed; `nil` when it was.
    func finish(_ failure: SQLError?)
}

private final class Member<Value: Sendable>: GroupMember {
    private let body: @Sendable (any SQLConnection) throws(SQLError) -> Value
    private let continuation: CheckedContinuation<Result<Value, SQLError>, Never>
    private let outcome = Mutex<Result<Value, SQLError>?>(nil)

    init(
        _ body: @escaping @Sendable (any SQLConnection) throws(SQLError) -> Value,
        _ continuation: CheckedContinuation<Result<Value, SQLError>, Never>
    ) {
        self.body = body
        self.continuation = continuation
    }

    func attempt(in database: Database) -> Bool {
        let result: Result<Value, SQLError>
        do throws(SQLError) {
            result = .success(try body(SQLiteConnection(database: database)))
        } catch {
            result = .failure(error)
        }
        outcome.withLock { $0 = result }
        if case .success = result { return true }
        return false
    }

    func finish(_ failure: SQLError?) {
        let result = outcome.withLock { $0 }
        switch (result, failure) {
        // Its own reason says more than the group's.
        case (.failure(let own)?, _): continuation.resume(returning: .failure(own))
        case (_, let failure?): continuation.resume(returning: .failure(failure))
        case (.success(let value)?, nil): continuation.resume(returning: .success(value))
        case (nil, nil):
            continuation.resume(returning: .failure(SQLError(.unavailable, "the transaction did not run")))
        }
    }
}
