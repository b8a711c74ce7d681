/// Whether secrets are looked for on a captured system disk, and what they mean for the image.
public enum SecretScan: String, Codable, Sendable, CaseIterable {
    /// They are noted with the image.
    case report
    /// The image is made only when none was found, and when everything could be looked at.
    case refuse
}

extension SecretScan {
    /// Why a capture may not become an image; `nil` when it may.
    func refusal(of capture: Capture) -> StepFailure? {
        guard self == .refuse, let found = capture.secrets, !found.isEmpty else { return nil }
        let told = found.prefix(3).map(\.message).joined(separator: "; ")
        let rest = found.count > 3 ? "; and \(found.count - 3) more" : ""
        return StepFailure(
            .permanent,
            .secretsFound,
            "secretScan is refuse, and the captured system disk is not free of secrets: \(told)\(rest)",
            advice: "remove them from the instance, seal the image (which overwrites deleted blocks), or ask with "
                + "secretScan report; then make the image again"
        )
    }
}

public enum SecretKind: String, Sendable, CaseIterable {
    case privateKey = "private key"
    case token
    case password
}

/// How many secrets of each kind were found somewhere. They themselves are never kept.
public struct SecretCount: Equatable, Sendable {
    public private(set) var counts: [SecretKind: Int] = [:]

    public init() {}

    public var isEmpty: Bool { counts.isEmpty }

    public mutating func add(_ other: SecretCount) { counts.merge(other.counts, uniquingKeysWith: +) }

    public mutating func add(_ kind: SecretKind, _ count: Int = 1) { counts[kind, default: 0] += count }

    /// `2 private keys and a token`
    var text: String {
        let parts = SecretKind.allCases.compactMap { kind in
            counts[kind].map { $0 == 1 ? "a \(kind.rawValue)" : "\($0) \(kind.rawValue)s" }
        }
        return parts.count < 3
            ? parts.joined(separator: " and ") : "\(parts[0]), \(parts[1]) and \(parts[2])"
    }

    private var verb: String { counts.values.reduce(0, +) == 1 ? "is" : "are" }

    /// - Parameter path: in the guest.
    public func finding(in path: String) -> Finding {
        Finding(.warning, "\(text) \(verb) in \(PlainText.word(path))", code: .secret, file: PlainText.word(path))
    }

    /// - Parameter volume: as the inspector names it.
    public func finding(inSwapSpaceOf volume: String) -> Finding {
        Finding(
            .warning,
            "\(text) \(verb) in swap space on \(PlainText.word(volume))",
            code: .secret,
            advice: "seal the image, which overwrites swap space"
        )
    }

    /// - Parameter volume: as the inspector names it.
    public func finding(inDeletedBlocksOf volume: String) -> Finding {
        Finding(
            .warning,
            "\(text) \(verb) in deleted blocks of \(PlainText.word(volume))",
            code: .secret,
            advice: "seal the image, which overwrites deleted blocks"
        )
    }
}

extension Finding {
    /// How many places with secrets are listed.
    public static let secretLimit = 64

    /// Part of a disk was not looked at for secrets.
    public static func secretsNotChecked(_ what: String, _ reason: String, advice: String? = nil) -> Finding {
        Finding(.notChecked, "\(what) was not searched for secrets: \(reason)", code: .secret, advice: advice)
    }

    /// Listed, up to the limit; the rest is counted.
    public static func listed(secrets found: [Finding]) -> [Finding] {
        guard found.count > secretLimit else { return found }
        let rest = found.count - secretLimit
        return found.prefix(secretLimit) + [Finding(.warning, "\(rest) more places hold secrets", code: .more)]
    }
}
