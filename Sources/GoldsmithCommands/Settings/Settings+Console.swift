import Observability
import OperatorConsole

extension Settings {
    /// Where a worker shows metrics and health; `nil` is nowhere.
    func metricsListen() async throws(CommandFailure) -> ListenAddress? {
        try await parsed(.metricsListen, default: nil, wanted: ListenAddress.sentence) { ListenAddress($0) }
    }

    func consoleListen(default standard: ListenAddress) async throws(CommandFailure) -> ListenAddress {
        try await parsed(.consoleListen, default: standard, wanted: ListenAddress.sentence) { ListenAddress($0) }
    }

    func consoleOrigin() async throws(CommandFailure) -> WebOrigin? {
        try await parsed(.consoleOrigin, default: nil, wanted: WebOrigin.sentence) { WebOrigin($0) }
    }

    /// The proxies whose `X-Forwarded-For` is believed. Default: none.
    func consoleTrustedProxies() async throws(CommandFailure) -> TrustedProxies {
        try await parsed(.consoleTrustedProxies, default: .none, wanted: TrustedProxies.sentence) { TrustedProxies($0) }
    }

    /// The path of the file with the accounts.
    func consoleUsersFile() async throws(CommandFailure) -> String? {
        try await parsed(.consoleUsersFile, default: nil, wanted: "a path") { $0.isEmpty ? nil : $0 }
    }
}
