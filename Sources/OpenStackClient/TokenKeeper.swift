import FoundationEssentials

/// Keeps one token for all requests, and asks for the next one once, however many wait for it.
actor TokenKeeper {
    private let ask: @Sendable () async throws -> Token
    private var kept: Token?
    private var asking: Task<Token, any Error>?

    init(_ ask: @escaping @Sendable () async throws -> Token) { self.ask = ask }

    /// - Parameter refused: the token that a service did not take.
    func token(insteadOf refused: String? = nil) async throws(OpenStackError) -> Token {
        if let kept, kept.value != refused, kept.isFresh(at: Date()) { return kept }
        let task = asking ?? Task { [ask] in try await ask() }
        asking = task
        do {
            let token = try await task.value
            if asking == task { (kept, asking) = (token, nil) }
            return token
        } catch {
            if asking == task { asking = nil }
            throw error as? OpenStackError ?? OpenStackError(.cancelled, "the request for a token was cancelled")
        }
    }
}
