import Crypto
import CryptoExtras
import FoundationEssentials

/// A password or a token as it is kept: never itself, only what can verify it.
///
/// As text: `scrypt$<log2 of the rounds>$<block size>$<parallelism>$<salt>$<key>` for a password that people choose, and
/// `sha256$<digest>` for a token, which is 256 random bits and needs no slow hash. Binary parts are in hexadecimal.
public enum HashedSecret: Sendable, Equatable {
    case scrypt(cost: Cost, salt: [UInt8], key: [UInt8])
    case sha256([UInt8])

    /// What each guess at a password costs.
    public struct Cost: Sendable, Equatable {
        public var logRounds: Int
        public var blockSize: Int
        public var parallelism: Int

        /// 32 MiB, and about a fifth of a second in a release build (decision 0023).
        public static let standard = Cost(logRounds: 15, blockSize: 8, parallelism: 3)

        /// What a line of a file may ask of us: at most 256 MiB.
        var isWithinLimits: Bool {
            (10...18).contains(logRounds) && (1...16).contains(blockSize) && (1...16).contains(parallelism)
                && (128 << logRounds) * blockSize <= 256 << 20
        }
    }

    /// Hashes a password with a new salt.
    public static func ofPassword(_ password: String, cost: Cost = .standard) throws -> HashedSecret {
        let salt = RandomBytes.next(16)
        return .scrypt(cost: cost, salt: salt, key: try derive(password, cost, salt))
    }

    public static func ofToken(_ token: String) -> HashedSecret {
        .sha256([UInt8](SHA256.hash(data: Data(token.utf8))))
    }

    /// Whether this is the hash of what was said. Takes the same time however much of it is right.
    func matches(_ said: String) -> Bool {
        switch self {
        case .scrypt(let cost, let salt, let key):
            guard let derived = try? Self.derive(said, cost, salt) else { return false }
            return ConstantTime.areEqual(derived, key)
        case .sha256(let digest):
            return ConstantTime.areEqual([UInt8](SHA256.hash(data: Data(said.utf8))), digest)
        }
    }

    private static func derive(_ password: String, _ cost: Cost, _ salt: [UInt8]) throws -> [UInt8] {
        let key = try KDF.Scrypt.deriveKey(
            from: Data(password.utf8),
            salt: Data(salt),
            outputByteCount: 32,
            rounds: 1 << cost.logRounds,
            blockSize: cost.blockSize,
            parallelism: cost.parallelism
        )
        return key.withUnsafeBytes { [UInt8]($0) }
    }

    public var text: String {
        switch self {
        case .scrypt(let cost, let salt, let key):
            "scrypt$\(cost.logRounds)$\(cost.blockSize)$\(cost.parallelism)$\(Hex.text(salt))$\(Hex.text(key))"
        case .sha256(let digest): "sha256$\(Hex.text(digest))"
        }
    }

    public init?(_ text: String) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false).map(String.init)
        switch (parts.first, parts.count) {
        case ("scrypt", 6):
            guard let logRounds = Int(parts[1]), let blockSize = Int(parts[2]), let parallelism = Int(parts[3]),
                let salt = Hex.bytes(parts[4]), salt.count >= 8, let key = Hex.bytes(parts[5]), key.count == 32
            else { return nil }
            let cost = Cost(logRounds: logRounds, blockSize: blockSize, parallelism: parallelism)
            guard cost.isWithinLimits else { return nil }
            self = .scrypt(cost: cost, salt: salt, key: key)
        case ("sha256", 2):
            guard let digest = Hex.bytes(parts[1]), digest.count == 32 else { return nil }
            self = .sha256(digest)
        default: return nil
        }
    }
}

/// Random bits that cannot be guessed.
public enum RandomBytes {
    static func next(_ count: Int) -> [UInt8] {
        var system = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &system) }
    }

    /// 256 of them as 64 hexadecimal digits: a login token, a session, a form's proof.
    public static func token() -> String { Hex.text(next(32)) }
}

enum ConstantTime {
    static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    static func areEqual(_ left: String, _ right: String) -> Bool { areEqual([UInt8](left.utf8), [UInt8](right.utf8)) }
}

enum Hex {
    static func text(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    static func bytes(_ text: String) -> [UInt8]? {
        let digits = text.utf8.map { Character(Unicode.Scalar($0)).hexDigitValue }
        guard digits.count.isMultiple(of: 2), !digits.contains(nil) else { return nil }
        let values = digits.compactMap { $0 }
        return stride(from: 0, to: values.count, by: 2).map { UInt8(values[$0] << 4 | values[$0 + 1]) }
    }
}
