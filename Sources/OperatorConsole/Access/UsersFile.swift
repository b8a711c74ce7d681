/// The text of a users' file: one account a line, `<name>:<role>:<hashed secret>`. Empty lines and those that begin with
/// `#` are comments.
public enum UsersFile {
    /// What changing an account did to the file.
    public enum Change: Sendable, Equatable {
        case added
        case replaced
    }

    /// The text with the account in it: in place of the line that has its name, or at the end. All other lines stay as they
    /// are.
    ///
    /// - Throws: `Accounts.Problem` when the text is no users' file: it is not made worse.
    public static func text(_ text: String, with account: Account) throws -> (text: String, change: Change) {
        let isThere = try Accounts(parsing: text).all.contains { $0.name == account.name }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last == "" { lines.removeLast() }
        if let index = lines.firstIndex(where: { $0.hasPrefix(account.name + ":") }) {
            lines[index] = account.line
        } else {
            lines.append(account.line)
        }
        return (lines.joined(separator: "\n") + "\n", isThere ? .replaced : .added)
    }
}
