import GoldsmithTestSupport
import ImageCore
import ImageStore
import SQLAccess
import Synchronization
import Testing

@Suite("Whoever watches a store is told of its calls")
struct ObserverTests {
    /// A database that loses its first race of every transaction.
    private struct Racing: SQLDatabase {
        let database: any SQLDatabase

        func read<Value: Sendable>(
            _ body: @escaping @Sendable (any SQLConnection) throws(SQLError) -> Value
        ) async throws(SQLError) -> Value { try await database.read(body) }

        func write<Value: Sendable>(
            _ body: @escaping @Sendable (any SQLConnection) throws(SQLError) -> Value
        ) async throws(SQLError) -> Value {
            try await database.write { (connection) throws(SQLError) in
                _ = try body(connection)
                return try body(connection)
            }
        }

        func facts() async throws(SQLError) -> DatabaseFacts { try await database.facts() }
    }

    private final class Calls: Sendable {
        private let calls = Mutex<[StoreCall]>([])
        var all: [StoreCall] { calls.withLock { $0 } }
        func note(_ call: StoreCall) { calls.withLock { $0.append(call) } }
    }

    @Test("by the name of the port's function, with how often it was begun anew and how it ended")
    func told() async throws {
        let folder = try ScratchFolder()
        let database = try SQLiteDatabase(path: folder.file("state.sqlite"))
        let (calls, worker) = (Calls(), WorkerID(known: "w1"))
        let store = try await SQLImageStore(on: database) { calls.note($0) }
        _ = try await store.image(ImageID(known: "img-1"))
        let racing = try await SQLImageStore(on: Racing(database: database)) { calls.note($0) }
        try await racing.signOff(worker)
        let identity = RequestIdentity(owner: Owner(known: "acct-1"), requestID: RequestID(known: "r1"))
        let no = Rejection(.notFound, "no")
        _ = try await store.reject(
            identity,
            fingerprint: "f",
            no,
            reply: nil,
            in: TransitionContext(now: Timestamp(microseconds: 1))
        )
        let failing = FailingDatabase(database)
        let refused = try await SQLImageStore(on: failing) { calls.note($0) }
        failing.fail(at: 1)
        await #expect(throws: StoreError.self) { try await refused.leases(of: ImageID(known: "img-1")) }

        #expect(calls.all.map(\.operation) == [.image, .signOff, .reject, .leases])
        #expect(calls.all.map(\.repeats) == [0, 1, 0, 0])
        #expect(calls.all.map(\.failure) == [nil, nil, nil, .unavailable])
        #expect(calls.all.allSatisfy { $0.duration > .zero && $0.duration < .seconds(60) })
    }
}
