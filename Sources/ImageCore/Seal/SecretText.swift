/// What secrets look like. Everything here is a guest's: read in time in proportion to its length, and never shown.
public enum SecretText {
    /// What a well-known place holds.
    /// - Parameter path: decides how some files are read.
    public static func count(in bytes: [UInt8], path: String) -> SecretCount {
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        if path.contains("/.gnupg/") { return keyring(bytes) }
        if SecretPlaces.holdsOnlySecrets(path) { return only(bytes, name.hasSuffix(".key") ? .privateKey : .password) }
        let takesWords = [".netrc", ".msmtprc", ".fetchmailrc", "msmtprc"].contains(name)
        var count = SecretCount()
        for range in Fstab.lines(of: bytes) {
            let line = String(decoding: bytes[range].prefix(lineLimit), as: UTF8.self)
            if isKeyHeader(line) {
                count.add(.privateKey)
            } else if name == ".pgpass" {
                if !line.hasPrefix("#"), line.split(separator: ":").count >= 5 { count.add(.password) }
            } else if let kind = kind(of: line, takesWords) {
                count.add(kind)
            }
        }
        return count
    }

    /// What may stand anywhere in blocks without a file: only what is known by its form.
    ///
    /// - Parameters:
    ///   - bytes: one block or several.
    ///   - end: what begins there or behind is not counted: it is only there so that what begins before is whole.
    public static func count(inBlocks bytes: [UInt8], before end: Int = .max) -> SecretCount {
        var count = SecretCount()
        bytes.withUnsafeBufferPointer { all in
            for index in all.indices.prefix(max(0, end)) {
                guard let rules = byFirstByte[Int(all[index])] else { continue }
                for rule in rules where rule.matches(all, at: index) { count.add(rule.kind) }
            }
        }
        return count
    }

    private static let lineLimit = 4_096
    /// No form is longer.
    public static let formLimit = 128

    // MARK: Lines

    private static func isKeyHeader(_ line: String) -> Bool {
        line.contains("-----BEGIN ") && line.contains("PRIVATE KEY") || line.hasPrefix("PuTTY-User-Key-File-")
    }

    private static func keyring(_ bytes: [UInt8]) -> SecretCount {
        var count = SecretCount()
        if !bytes.isEmpty { count.add(.privateKey) }
        return count
    }

    /// Of a file that holds nothing else.
    private static func only(_ bytes: [UInt8], _ kind: SecretKind) -> SecretCount {
        var count = SecretCount()
        let isThere = Fstab.lines(of: bytes).contains { range in
            let line = bytes[range].drop { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }
            return !line.isEmpty && line.first != UInt8(ascii: "#")
        }
        if isThere { count.add(kind) }
        return count
    }

    /// What one line holds. The first that fits counts, so that a line with a user and a password counts once.
    /// - Parameter takesWords: whether a password may follow its name without a sign between them.
    private static func kind(of line: String, _ takesWords: Bool) -> SecretKind? {
        if !count(inBlocks: Array((line + "\n").utf8)).isEmpty { return .token }
        if hasPasswordInAddress(line) || hasPasswordElement(line) { return .password }
        let words = line.split { $0.isWhitespace || ",;{}".contains($0) }
        guard let first = words.first, !first.hasPrefix("#") else { return nil }
        for (index, word) in words.enumerated() {
            guard let (name, value) = assignment(word, words.dropFirst(index + 1), takesWords) else { continue }
            if let kind = kind(named: name), isGiven(value) { return kind }
        }
        return nil
    }

    /// `name=value`, `name = value`, `"name": "value"`, and netrc's `password value`.
    private static func assignment(
        _ word: Substring,
        _ next: ArraySlice<Substring>,
        _ takesWords: Bool
    ) -> (String, Substring)? {
        if let place = word.firstIndex(of: "=") ?? word.firstIndex(of: ":") {
            let name = plain(word[..<place])
            let value = word[word.index(after: place)...]
            // What ends like a name is one: `chpasswd:` and behind it `expire: false`.
            let follower = next.first.flatMap { $0.last == ":" ? nil : $0 } ?? ""
            return (name, value.isEmpty ? follower : value)
        }
        guard let follower = next.first else { return nil }
        if follower == "=" || follower == ":" { return (plain(word), next.dropFirst().first ?? "") }
        if follower.hasPrefix("=") { return (plain(word), follower.dropFirst()) }
        return takesWords && plain(word) == "password" ? ("password", follower) : nil
    }

    private static func plain(_ name: Substring) -> String {
        String(name.drop { "\"'-/".contains($0) }.filter { !"\"'".contains($0) }).lowercased().replacing("-", with: "_")
    }

    private static func kind(named name: String) -> SecretKind? {
        if name == "client_key_data" || name == "privatekey" || name == "private_key" { return .privateKey }
        if ["password", "passwd", "passphrase", "psk", "pass", "pwd"].contains(where: { name.hasSuffix($0) }) {
            return .password
        }
        let tokens = ["token", "secret", "api_key", "apikey", "secret_key", "access_key", "secret_access_key", "_auth"]
        return name == "auth" || tokens.contains(where: { name.hasSuffix($0) }) ? .token : nil
    }

    /// Whether it is a value, and not a place for one.
    private static func isGiven(_ value: Substring) -> Bool {
        let value = value.trimming { "\"'".contains($0) }
        guard value.utf8.count >= 4, let first = value.first, !"$<%{(".contains(first) else { return false }
        if ["true", "false", "none", "null", "prompt"].contains(value.lowercased()) { return false }
        return !value.allSatisfy { "*xX.".contains($0) }
    }

    /// `scheme://user:password@host`
    private static func hasPasswordInAddress(_ line: String) -> Bool {
        guard let scheme = line.firstRange(of: "://") else { return false }
        let rest = line[scheme.upperBound...].prefix { !$0.isWhitespace && $0 != "/" }
        guard let at = rest.lastIndex(of: "@"), let colon = rest[..<at].firstIndex(of: ":") else { return false }
        return isGiven(rest[rest.index(after: colon)..<at])
    }

    /// `<password>…</password>`
    private static func hasPasswordElement(_ line: String) -> Bool {
        guard let element = line.firstRange(of: "<password>") else { return false }
        return isGiven(line[element.upperBound...].prefix { $0 != "<" })
    }

    // MARK: Forms

    /// A text that begins a secret, and how many bytes of its alphabet follow at least.
    private struct Form: Sendable {
        var kind: SecretKind
        var beginning: [UInt8]
        var length: Int
        /// Whether a byte of the alphabet may stand before it: then it is another word's end.
        var alphabet: @Sendable (UInt8) -> Bool

        init(
            _ kind: SecretKind,
            _ beginning: String,
            _ length: Int,
            _ alphabet: @escaping @Sendable (UInt8) -> Bool = isWord
        ) {
            self.kind = kind
            self.beginning = Array(beginning.utf8)
            self.length = length
            self.alphabet = alphabet
        }

        func matches(_ bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> Bool {
            guard index + beginning.count + length <= bytes.count,
                bytes[index..<(index + beginning.count)].elementsEqual(beginning)
            else { return false }
            if kind == .token, index > 0, isWord(bytes[index - 1]) { return false }
            let rest = index + beginning.count
            return bytes[rest..<(rest + length)].allSatisfy(alphabet)
        }
    }

    private static let isWord: @Sendable (UInt8) -> Bool = { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    private static let isUpper: @Sendable (UInt8) -> Bool = { byte in
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: false
        }
    }

    /// Of base64, with the line feeds between its lines, or `\n` where they are escaped.
    private static let isKeyText: @Sendable (UInt8) -> Bool = { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="),
            UInt8(ascii: "\\"), 0x0a, 0x0d:
            true
        default: false
        }
    }

    /// As their issuers document them.
    private static let forms: [Form] =
        ["OPENSSH ", "RSA ", "EC ", "DSA ", "ENCRYPTED ", ""].map {
            Form(.privateKey, "-----BEGIN \($0)PRIVATE KEY-----", 32, isKeyText)
        } + [
            Form(.token, "AKIA", 16, isUpper), Form(.token, "ASIA", 16, isUpper),
            Form(.token, "ghp_", 36), Form(.token, "gho_", 36), Form(.token, "ghu_", 36), Form(.token, "ghs_", 36),
            Form(.token, "ghr_", 36), Form(.token, "github_pat_", 40), Form(.token, "glpat-", 20),
            Form(.token, "xoxb-", 20), Form(.token, "xoxp-", 20), Form(.token, "xoxa-", 20),
            Form(.token, "sk_live_", 24), Form(.token, "rk_live_", 24), Form(.token, "AIza", 35),
            Form(.token, "hvs.", 24), Form(.token, "npm_", 36), Form(.token, "dop_v1_", 64),
            Form(.token, "pypi-AgEIcHlwaS5vcmc", 32),
        ]

    private static let byFirstByte: [[Form]?] = {
        var table = [[Form]?](repeating: nil, count: 256)
        for form in forms {
            guard let first = form.beginning.first else { continue }
            table[Int(first)] = (table[Int(first)] ?? []) + [form]
        }
        return table
    }()
}

extension Substring {
    fileprivate func trimming(_ isTrimmed: (Character) -> Bool) -> Substring {
        var rest = drop(while: isTrimmed)
        while let last = rest.last, isTrimmed(last) { rest.removeLast() }
        return rest
    }
}
