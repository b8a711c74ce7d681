/// Every user of the machine can read a command line in the list of processes, and it stays in the shell's history.
enum CommandLineSecrets {
    /// - Throws: when an argument holds a password or names a setting that would. Nothing of it is repeated.
    static func refuse(_ arguments: [String]) throws(CommandFailure) {
        for argument in arguments {
            let option = argument.prefix { $0 != "=" }
            if let key = SettingKey.allCases.first(where: { $0.isSecret && option == $0.flag }) {
                throw refusal("there is no \(key.flag)", key)
            }
            for (scheme, key) in schemes where holdsPassword(argument, scheme) {
                throw refusal("an argument holds a password", key)
            }
        }
    }

    private static let schemes: [(String, SettingKey)] = [
        ("amqp://", .amqpUrl), ("amqps://", .amqpUrl), ("postgresql://", .storeUrl), ("postgres://", .storeUrl),
    ]

    private static func holdsPassword(_ argument: String, _ scheme: String) -> Bool {
        guard let start = argument.firstRange(of: scheme)?.upperBound else { return false }
        let rest = argument[start...]
        if rest.contains("password=") { return true }
        guard let at = rest.firstIndex(of: "@") else { return false }
        return rest[..<at].contains(":")
    }

    private static func refusal(_ what: String, _ key: SettingKey) -> CommandFailure {
        CommandFailure(
            .usage,
            "\(what): every user of this machine can read a command line, and the shell keeps it",
            advice: "put it into \(key.environmentName), or into a file (chmod 600) that "
                + "\(SettingKey.environmentName(of: key.fileName)) names, and change a password that was shown"
        )
    }
}

extension SettingKey {
    /// `amqpUrl` → `--amqp-url`.
    fileprivate var flag: String {
        "--"
            + rawValue.reduce(into: "") { name, letter in
                if letter.isUppercase { name.append("-") }
                name.append(contentsOf: letter.lowercased())
            }
    }
}
