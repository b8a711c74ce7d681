import GoldsmithTestSupport
import ImageCore
import ImageStore
import PrivateServers
import Synchronization
import SystemPackage
import Testing

@testable import SQLAccess

@Suite("PostgreSQL in trouble", .timeLimit(.minutes(30)))
struct PostgreSQLTroubleTests {
    private static let quick: PostgreSQLOptions = {
        var options = PostgreSQLOptions()
        options.connectTimeout = .seconds(2)
        options.answerTimeout = .seconds(2)
        return options
    }()

    private static func makeCounter(in database: PostgreSQLDatabase) async throws {
        try await database.write { (connection) throws(SQLError) in
            try connection.execute("CREATE TABLE counters (id TEXT PRIMARY KEY, n BIGINT NOT NULL)")
            try connection.execute("INSERT INTO counters VALUES ($1, 0), ($2, 0)", ["a", "b"])
        }
    }

    private static func value(of id: String, in database: PostgreSQLDatabase) async throws -> Int64 {
        try await database.read { (connection) throws(SQLError) in
            try connection.query("SELECT n FROM counters WHERE id = $1", [.text(id)]).first?.integer("n") ?? -1
        }
    }

    /// Reads and writes back, as the store does.
    private static func increment(_ ids: [String], in database: PostgreSQLDatabase) async throws(SQLError) {
        try await database.write { (connection) throws(SQLError) in
            for id in ids {
                let rows = try connection.queryForUpdate("SELECT n FROM counters WHERE id = $1", [.text(id)])
                let value = try rows.first?.integer("n") ?? 0
                try connection.execute("UPDATE counters SET n = $2 WHERE id = $1", [.text(id), .integer(value + 1)])
            }
        }
    }

    @Test("a restarted server is found again, also by connections that were idle")
    func restarted() async throws {
        try await TestPostgreSQL.with { server in
            let database = try PostgreSQLDatabase(url: server.url)
            try await Self.makeCounter(in: database)
            for _ in 0..<3 {
                try await server.restart()
                try await Self.increment(["a"], in: database)
            }
            #expect(try await Self.value(of: "a", in: database) == 3)
            server.kill()
            let error = await #expect(throws: SQLError.self) { try await Self.increment(["a"], in: database) }
            #expect(error?.kind == .unavailable)
            try await server.restart()
            #expect(await eventually { (try? await Self.value(of: "a", in: database)) == 3 })
        }
    }

    @Test("a frozen server ends every transaction in bounded time, and none of them half")
    func frozen() async throws {
        try await TestPostgreSQL.with { server in
            let database = try PostgreSQLDatabase(url: server.url, options: Self.quick)
            try await Self.makeCounter(in: database)
            server.freeze()
            let start = ContinuousClock.now
            let kinds = await withTaskGroup(of: SQLError.Kind?.self) { group in
                for _ in 0..<32 {
                    group.addTask {
                        do throws(SQLError) {
                            try await Self.increment(["a", "b"], in: database)
                            return nil
                        } catch {
                            return error.kind
                        }
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(kinds.allSatisfy { $0 == .unavailable })
            #expect(ContinuousClock.now - start < .seconds(15))
            server.thaw()
            #expect(await eventually { (try? await Self.increment(["a", "b"], in: database)) != nil })
            let values = (try await Self.value(of: "a", in: database), try await Self.value(of: "b", in: database))
            #expect(values.0 == values.1)
        }
    }

    /// As a caller does: until it is done, and ready to find it done.
    private static func isDone(_ id: String, in database: PostgreSQLDatabase) async -> Bool {
        await eventually(within: .seconds(60)) {
            do throws(SQLError) {
                try await database.write { (connection) throws(SQLError) in
                    let known = try connection.query("SELECT id FROM done WHERE id = $1", [.text(id)])
                    guard known.isEmpty else { return }
                    try connection.execute("INSERT INTO done VALUES ($1)", [.text(id)])
                }
                return true
            } catch {
                #expect(error.kind == .unavailable, "\(error)")
                return false
            }
        }
    }

    @Test("a server killed in the middle of work loses nothing that was promised and keeps nothing twice")
    func killed() async throws {
        try await TestPostgreSQL.with { server in
            let database = try PostgreSQLDatabase(url: server.url, options: Self.quick)
            try await database.write { (connection) throws(SQLError) in
                try connection.execute("CREATE TABLE done (id TEXT PRIMARY KEY)")
            }
            let promised = Promises()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<6 {
                    group.addTask {
                        for number in 0..<60 {
                            let id = "\(worker)-\(number)"
                            let isDone = await Self.isDone(id, in: database)
                            #expect(isDone)
                            promised.add(id)
                        }
                    }
                }
                for mark in [60, 150, 240] {
                    #expect(await eventually { promised.ids.count >= mark })
                    server.kill()
                    try await server.restart()
                }
                try await group.waitForAll()
            }
            let kept = try await database.read { (connection) throws(SQLError) in
                try connection.query("SELECT id FROM done").map { (row) throws(SQLError) in try row.text("id") }
            }
            #expect(kept.sorted() == promised.ids.sorted())
            #expect(kept.count == 360)
        }
    }

    @Test("work waits for the connections there are while the server takes no more of them")
    func full() async throws {
        var options = PostgreSQLServer.Options()
        options.configuration = ["max_connections=2", "superuser_reserved_connections=0", "max_wal_senders=0"]
        try await TestPostgreSQL.with(options: options) { server in
            let other = try PostgreSQLDatabase(url: server.url)
            try await Self.makeCounter(in: other)
            let database = try PostgreSQLDatabase(url: server.url)
            try await Self.increment(["a"], in: database)
            // Twice, so that those which have met a full server are asked again.
            for _ in 0..<2 {
                await withTaskGroup(of: Void.self) { group in
                    for _ in 0..<30 {
                        group.addTask {
                            do throws(SQLError) {
                                try await database.write { (connection) throws(SQLError) in
                                    _ = try connection.query("SELECT pg_sleep(0.005)::text AS slept")
                                    try connection.execute("UPDATE counters SET n = n + 1 WHERE id = 'a'")
                                }
                            } catch {
                                Issue.record("\(error)")
                            }
                        }
                    }
                }
            }
            #expect(try await Self.value(of: "a", in: other) == 61)
            // No connection is left: all waiting transactions fail together, not one after another.
            server.kill()
            let start = ContinuousClock.now
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<30 {
                    group.addTask {
                        let error = await #expect(throws: SQLError.self) {
                            try await Self.increment(["a"], in: database)
                        }
                        #expect(error?.kind == .unavailable)
                    }
                }
            }
            #expect(ContinuousClock.now - start < .seconds(10))
        }
    }

    @Test("a connection lost at any byte of a commit or of its answer leaves the work done or undone, and never twice")
    func commitCut() async throws {
        try await TestPostgreSQL.with { server in
            let proxy = try FaultProxy(to: server.port)
            let database = try PostgreSQLDatabase(
                url: server.url.replacing(":\(server.port)/", with: ":\(proxy.port)/") + "?sslmode=disable"
            )
            try await Self.makeCounter(in: database)
            try await database.write { (connection) throws(SQLError) in
                try connection.execute("CREATE TABLE done (id TEXT PRIMARY KEY)")
            }
            var undone = 0
            var done = 0
            for direction in [FaultProxy.Direction.toServer, .toClient] {
                for bytes in 0... {
                    let id = "\(direction)-\(bytes)"
                    let cuts = proxy.cuts
                    let isKnown = try await Self.work(id, in: database) { proxy.cut(after: bytes, direction) }
                    // More bytes than there are: this commit was whole, and so is every one behind it.
                    proxy.cut(after: .max, direction)
                    if proxy.cuts == cuts { break }
                    if isKnown { done += 1 } else { undone += 1 }
                }
            }
            #expect(done > 0 && undone > 0, "\(done) done, \(undone) undone")
            let kept = try await database.read { (connection) throws(SQLError) in
                try connection.query("SELECT count(*) AS n FROM done").first?.integer("n")
            }
            #expect(try await Self.value(of: "a", in: database) == kept)
            #expect(Int(kept ?? 0) == done + undone + 2)
        }
    }

    /// Does work `id` once, as a caller does, with something that happens just before the first commit.
    /// - Returns: whether a repetition found it done.
    private static func work(
        _ id: String,
        in database: PostgreSQLDatabase,
        beforeCommit: @escaping @Sendable () -> Void
    ) async throws -> Bool {
        let isFirst = Mutex(true)
        for _ in 0..<100 {
            do throws(SQLError) {
                return try await database.write { (connection) throws(SQLError) in
                    guard try connection.query("SELECT id FROM done WHERE id = $1", [.text(id)]).isEmpty else {
                        return true
                    }
                    try connection.execute("INSERT INTO done VALUES ($1)", [.text(id)])
                    try connection.execute("UPDATE counters SET n = n + 1 WHERE id = 'a'")
                    // Everything but the commit has been answered.
                    _ = try connection.query("SELECT n FROM counters WHERE id = 'a'")
                    if isFirst.withLock({ isFirst in
                        defer { isFirst = false }; return isFirst
                    }) {
                        beforeCommit()
                    }
                    return false
                }
            } catch {
                #expect(error.kind == .unavailable, "\(error)")
            }
        }
        throw SQLError(.unavailable, "work \(id) was never done")
    }

    @Test("a deadlock's victim is repeated, and both succeed")
    func deadlock() async throws {
        var options = PostgreSQLServer.Options()
        options.configuration = ["deadlock_timeout=50ms"]
        try await TestPostgreSQL.with(options: options) { server in
            let database = try PostgreSQLDatabase(url: server.url)
            try await Self.makeCounter(in: database)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<40 {
                    let ids = number % 2 == 0 ? ["a", "b"] : ["b", "a"]
                    group.addTask { try await Self.increment(ids, in: database) }
                }
                try await group.waitForAll()
            }
            #expect(try await Self.value(of: "a", in: database) == 40)
            #expect(try await Self.value(of: "b", in: database) == 40)
        }
    }

    @Test("no way of printing a database shows its password")
    func dumped() throws {
        let url = "postgresql://me:hunter2@127.0.0.1/db?sslpassword=hunter2"
        let database = try PostgreSQLDatabase(url: url)
        let endpoint = try PostgreSQLEndpoint(url, .init())
        var text = "\(database) \(endpoint) \(String(reflecting: endpoint)) \([endpoint])"
        dump(database, to: &text)
        dump([endpoint], to: &text)
        #expect(text.contains("a PostgreSQL server") && !text.contains("hunter2"), "\(text)")
    }

    @Test("no error repeats a password or a value")
    func discreet() async throws {
        try await TestPostgreSQL.with { server in
            let wrong = server.url.replacing(server.password, with: "hunter2")
            let refused = await #expect(throws: SQLError.self) {
                try await PostgreSQLDatabase(url: wrong).read { (connection) throws(SQLError) in
                    try connection.query("SELECT 1 AS one")
                }
            }
            #expect(refused?.kind == .unavailable)
            #expect(refused?.message.contains("password authentication failed") == true)
            #expect(refused?.message.contains("hunter2") == false)
            for password in ["hunter2%zz", "xx@hunter2", "hunter2/xx", "hunter2:1/xx"] {
                let unreadable = #expect(throws: SQLError.self) {
                    try PostgreSQLDatabase(url: "postgresql://me:\(password)@127.0.0.1/db")
                }
                #expect(unreadable?.message.contains("hunter2") == false)
            }
            let database = try PostgreSQLDatabase(url: server.url)
            for statement in ["INSERT INTO probe (a) VALUES ($1)", "SELECT $1::bigint AS n"] {
                let error = await #expect(throws: SQLError.self) {
                    try await database.write { (connection) throws(SQLError) in
                        try connection.execute("CREATE TABLE probe (a TEXT PRIMARY KEY)")
                        try connection.execute("INSERT INTO probe (a) VALUES ($1)", ["hunter2"])
                        _ = try connection.query(statement, ["hunter2"])
                    }
                }
                #expect(error?.kind == .refused, "\(String(describing: error))")
                #expect(error?.message.contains("hunter2") == false, "\(String(describing: error))")
            }
        }
    }

    @Test("a certificate that the authority signed is taken with verify-full, and no other")
    func encrypted() async throws {
        let folder = try ScratchFolder()
        let certificates = try await TestCertificates(in: .init(folder.path))
        var options = PostgreSQLServer.Options()
        options.certificate = certificates.certificate
        options.key = certificates.key
        try await TestPostgreSQL.with(options: options) { server in
            let url = server.url.replacing("127.0.0.1", with: "localhost") + "?sslmode=verify-full&sslrootcert="
            let good = try PostgreSQLDatabase(url: url + certificates.authority.string)
            let rows = try await good.read { (connection) throws(SQLError) in
                try connection.query("SELECT ssl::text AS ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            }
            #expect(rows == [SQLRow(["ssl": "true"])])
            for bad in [
                url + "/etc/ssl/certs/ca-certificates.crt",
                url.replacing("localhost", with: "127.0.0.1") + certificates.authority.string,
            ] {
                let database = try PostgreSQLDatabase(url: bad)
                let error = await #expect(throws: SQLError.self) {
                    try await database.read { (connection) throws(SQLError) in try connection.query("SELECT 1 AS n") }
                }
                #expect(error?.kind == .unavailable)
            }
        }
        withExtendedLifetime(folder) {}
    }
}

/// What a database has promised to keep.
private final class Promises: Sendable {
    private let kept = Mutex<[String]>([])
    var ids: [String] { kept.withLock { $0 } }
    func add(_ id: String) { kept.withLock { $0.append(id) } }
}
