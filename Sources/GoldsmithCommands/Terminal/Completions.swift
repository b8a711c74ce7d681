import ArgumentParser
import ImageCore
import ImageDrivers
import ImageWorker
import Logging
import RabbitMQTransport

/// What a shell offers for the word that is being typed: values, and ids of what there is.
enum Completions {
    static let seal = CompletionKind.list(["all"] + SealItem.allCases.map(\.rawValue))
    static let secretScan = CompletionKind.list(SecretScan.allCases.map(\.rawValue))
    static let bootProof = CompletionKind.list(BootProof.allCases.map(\.rawValue))
    static let guestChecks = CompletionKind.list(GuestChecks.allCases.map(\.rawValue))
    static let statuses = CompletionKind.list(ImageStatus.allCases.map(\.rawValue))
    static let steps = CompletionKind.list(Step.allCases.map(\.rawValue))
    static let deadLetterStates = CompletionKind.list(["open", "replayed", "discarded", "settled", "all"])
    static let roles = CompletionKind.list(["viewer", "operator"])
    static let logLevels = CompletionKind.list([
        "trace", "debug", "info", "notice", "warning", "error", "critical",
    ])

    /// Names with commas between them: the last one is completed.
    static let lanes = CompletionKind.custom { _, _, typed in
        let before = typed.lastIndex(of: ",").map { typed[...$0] } ?? ""
        return LaneList().all.map { before + $0.description }
    }

    static let images = CompletionKind.custom { words, _, _ in
        await found { () async throws in
            let store = try await settings(words).openStore()
            return try await store.images(ImageQuery(limit: idLimit)).map(\.id.text)
        }
    }

    static let instances = CompletionKind.custom { words, _, _ in
        await found { () async throws in
            let settings = try await settings(words)
            let driver = try await settings.viewedDriver(try await settings.logger("goldsmith", level: .critical))
            return try await driver.instances().map(\.id.text)
        }
    }

    static let queues = CompletionKind.custom { words, _, _ in
        await found { () async throws in try await settings(words).topology().queues.map(\.name) }
    }

    static func deadLetters(_ kinds: Set<DeadLetter.Kind>) -> CompletionKind {
        .custom { words, _, _ in
            await found { () async throws in
                let store = try await settings(words).openStore()
                return try await store.deadLetters(DeadLetterQuery(kinds: kinds, limit: idLimit)).map(\.id.text)
            }
        }
    }

    /// More would not be read through.
    private static let idLimit = 500

    /// The settings that the command would have.
    private static func settings(_ words: [String]) async throws -> Settings {
        func value(_ flag: String) -> String? {
            if let word = words.first(where: { $0.hasPrefix(flag + "=") }) {
                return String(word.dropFirst(flag.count + 1))
            }
            return words.firstIndex(of: flag).flatMap { words.indices.contains($0 + 1) ? words[$0 + 1] : nil }
        }
        let flags: [SettingKey: String?] = [.data: value("--data")]
        return try await Settings(flags: flags.compactMapValues { $0 }, file: value("--config"), asksRunningDev: true)
    }

    /// An error is not shown during completion; there is nothing to offer then.
    private static func found(_ ids: () async throws -> [String]) async -> [String] { (try? await ids()) ?? [] }
}
