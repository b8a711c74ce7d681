/// What a user may do in the console.
public enum Role: String, Sendable, CaseIterable {
    /// Sees everything, changes nothing.
    case viewer
    /// Also changes quotas, replays and discards what is dead or parked, and asks for things on owners' behalf.
    case `operator`
}

/// A user, as a line of the users' file has it: `<name>:<role>:<hashed secret>`.
public struct Account: Sendable, Equatable {
    public var name: String
    public var role: Role
    public var secret: HashedSecret

    public static let nameSentence = "use 1 to 63 letters, digits, '.', '_' or '-'"

    /// `nil` when the name is invalid.
    public init?(name: String, role: Role, secret: HashedSecret) {
        guard Self.isName(name) else { return nil }
        self.name = name
        self.role = role
        self.secret = secret
    }

    /// Whether this is a valid name of a user.
    public static func isName(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count) && text.utf8.allSatisfy { Character(Unicode.Scalar($0)).isNameCharacter }
    }

    public var line: String { "\(name):\(role.rawValue):\(secret.text)" }

    /// A token needs no name: its holder is found by it.
    var isToken: Bool { if case .sha256 = secret { true } else { false } }
}

extension Character {
    fileprivate var isNameCharacter: Bool {
        isASCII && (isLetter || isNumber || self == "." || self == "_" || self == "-")
    }
}

/// All users who may log in.
public struct Accounts: Sendable {
    /// What is wrong with a users' file, and in which line. What the line says is not repeated: it holds a secret.
    public struct Problem: Error, Equatable {
        public var line: Int
        public var message: String
    }

    let all: [Account]
    /// Checked when there is no such name, so that an answer does not tell by its time which names there are. No password
    /// is known for it, since its key was not made from one.
    private let nobody: HashedSecret

    public init(_ all: [Account]) {
        self.all = all
        let costs = all.compactMap { if case .scrypt(let cost, _, _) = $0.secret { cost } else { nil } }
        nobody = .scrypt(cost: costs.first ?? .standard, salt: RandomBytes.next(16), key: RandomBytes.next(32))
    }

    /// Reads a users' file: one account a line; empty lines and those that begin with `#` do not count. A file without an
    /// account is a good one: a console starts before its first user is made.
    public init(parsing text: String) throws {
        var accounts: [Account] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard line.contains(where: { !$0.isWhitespace }), line.first != "#" else { continue }
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 3 else {
                throw Problem(line: index + 1, message: "it is not <name>:<role>:<hashed secret>")
            }
            guard let role = Role(rawValue: parts[1]) else {
                throw Problem(line: index + 1, message: "the role must be viewer or operator")
            }
            guard let secret = HashedSecret(parts[2]) else {
                throw Problem(line: index + 1, message: "the secret is not as `goldsmith console user` prints it")
            }
            guard let account = Account(name: parts[0], role: role, secret: secret) else {
                throw Problem(line: index + 1, message: "the name: \(Account.nameSentence)")
            }
            guard !accounts.contains(where: { $0.name == account.name }) else {
                throw Problem(line: index + 1, message: "'\(account.name)' is there already")
            }
            accounts.append(account)
        }
        self.init(accounts)
    }

    /// Whether there is no user.
    public var isEmpty: Bool { all.isEmpty }
    var hasPasswords: Bool { all.contains { !$0.isToken } }
    var hasTokens: Bool { all.contains(where: \.isToken) }

    /// Slow on purpose: see `PasswordQueue`.
    func account(named name: String, password: String) -> Account? {
        let account = all.first { $0.name == name && !$0.isToken }
        let isRight = (account?.secret ?? nobody).matches(password)
        return isRight ? account : nil
    }

    func account(token: String) -> Account? {
        // Every token is compared, the right one too, so that time tells nothing.
        all.filter { $0.isToken && $0.secret.matches(token) }.first
    }
}
