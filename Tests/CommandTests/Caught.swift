@testable import GoldsmithCommands

/// How `body` failed; `nil` when it did not.
func caught(_ body: () async throws(CommandFailure) -> Void) async -> CommandFailure? {
    do {
        try await body()
        return nil
    } catch {
        return error
    }
}
