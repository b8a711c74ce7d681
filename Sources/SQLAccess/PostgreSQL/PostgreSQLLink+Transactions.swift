import CPostgres

extension PostgreSQLLink {
    func begin(_ statement: String) throws(SQLError) {
        isInTransaction = true
        try send(statement)
        guard isPooled else { return }
        let calls = transactionSettings.indices.map { "set_config($\($0 * 2 + 1), $\($0 * 2 + 2), true)" }
        try send(
            "SELECT \(calls.joined(separator: ", "))",
            transactionSettings.flatMap { [.text($0.name), .text($0.value)] }
        )
    }

    /// Returns when the transaction is durable.
    func commit() throws(SQLError) {
        try send("COMMIT")
        try synchronize()
        let outcome = try takeAll().last
        isInTransaction = false
        // A transaction that has failed answers COMMIT without an error.
        guard outcome?.tag == "COMMIT" else {
            throw SQLError(.unavailable, "PostgreSQL: the transaction was rolled back")
        }
    }

    /// Ends a transaction that has changed nothing; the answer is taken before the next one.
    func commitWithoutWaiting() throws(SQLError) {
        try send("COMMIT")
        try synchronize()
        isInTransaction = false
        try flush()
    }

    /// - Returns: whether the connection can be used again.
    func rollBack() -> Bool {
        guard isInTransaction else { return failure == nil }
        isInTransaction = false
        do throws(SQLError) {
            // First the end of what failed: until there the server skips everything.
            try synchronize()
            try send("ROLLBACK")
            try synchronize()
        } catch {
            return false
        }
        // The failure that brought us here is thrown again; a new one shows in the connection.
        do throws(SQLError) { try takeAll() } catch { return isClean }
        return isClean
    }
}
