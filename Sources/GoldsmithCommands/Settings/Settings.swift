import Configuration
import Foundation
import ImageCore
import Logging
import SystemPackage
import TerminalText

/// The settings of one command, read from their sources.
struct Settings: Sendable {
    /// Where a value may come from, in the order of precedence.
    private struct Source: Sendable {
        let name: String
        let reader: ConfigReader
    }

    private let sources: [Source]
    /// The data folder, absolute.
    let data: String
    /// What another command line needs to find the same broker and store: this one's flags, each after a space.
    let sameFlags: String

    /// - Parameters:
    ///   - flags: values given on the command line.
    ///   - file: the file given with `--config`.
    ///   - asksRunningDev: whether what a running `goldsmith dev` wrote counts. Not for `dev` itself, which may find
    ///     what a killed one has left.
    init(
        flags: [SettingKey: String],
        file: String?,
        asksRunningDev: Bool = true
    ) async throws(CommandFailure) {
        let given = InMemoryProvider(
            values: Dictionary(
                uniqueKeysWithValues: flags.map {
                    (AbsoluteConfigKey([$0.key.rawValue]), ConfigValue(.string($0.value), isSecret: $0.key.isSecret))
                }
            )
        )
        let environment = EnvironmentVariablesProvider().prefixKeys(with: "goldsmith")
        var sources = [
            Source(name: "the command line", reader: ConfigReader(provider: given)),
            Source(name: "the environment", reader: ConfigReader(provider: environment)),
        ]
        if let file {
            try Self.refuseUnknownKeys(in: file)
            sources.append(Source(name: file, reader: try await Self.reader(of: file, allowMissing: false)))
        }
        let folder = try await Self.text(.data, in: sources) ?? "goldsmith-data"
        data = URL(fileURLWithPath: folder).standardizedFileURL.path
        let dev = DevFile.path(in: data)
        // A `dev` in a folder that this user may not enter is another user's, unless the command line names it.
        if asksRunningDev, flags[.data] != nil || access(dev, R_OK) == 0 || errno != EACCES {
            sources.append(Source(name: dev, reader: try await Self.reader(of: dev, allowMissing: true)))
        }
        self.sources = sources
        sameFlags = [
            file.map { " --config \(URL(fileURLWithPath: $0).standardizedFileURL.path)" },
            flags[.data].map { [data] _ in " --data \(data)" },
        ].compactMap { $0 }.joined()
    }

    private static func reader(of file: String, allowMissing: Bool) async throws(CommandFailure) -> ConfigReader {
        do {
            return ConfigReader(
                provider: try await FileProvider<JSONSnapshot>(filePath: FilePath(file), allowMissing: allowMissing)
            )
        } catch {
            throw CommandFailure(
                .usage,
                "cannot read \(file): \(error)",
                advice: access(file, R_OK) == 0
                    ? "it must be a JSON object of settings" : "does it exist, and may this user read it?"
            )
        }
    }

    /// A typo in a file must not be silently ignored, like one in a request.
    private static func refuseUnknownKeys(in file: String) throws(CommandFailure) {
        guard let bytes = FileManager.default.contents(atPath: file) else {
            throw CommandFailure(.usage, "cannot read \(file)", advice: "does it exist, and may this user read it?")
        }
        guard case .object(let fields)? = JSONValue(parsing: bytes) else {
            throw CommandFailure(.usage, "\(file) is not a JSON object of settings")
        }
        let known = SettingKey.allCases.flatMap(\.names)
        guard let unknown = fields.keys.filter({ !known.contains($0) }).min() else { return }
        throw CommandFailure(
            .usage,
            "\(file): there is no setting '\(PlainText.word(unknown))'",
            advice: "known are \(known.joined(separator: ", "))"
        )
    }

    // MARK: Typed values

    private static func text(_ key: SettingKey, in sources: [Source]) async throws(CommandFailure) -> String? {
        for source in sources {
            do {
                let name = ConfigKey([key.rawValue])
                if let value = try await source.reader.fetchString(forKey: name, isSecret: key.isSecret) {
                    return value
                }
            } catch {
                throw malformed(key, source.name, "a text")
            }
            if key.isSecret, let value = try await secret(key, in: source) { return value }
        }
        return nil
    }

    /// A secret that a file of its own holds, as container platforms and systemd hand them over.
    private static func secret(_ key: SettingKey, in source: Source) async throws(CommandFailure) -> String? {
        let setting = "setting \(key.fileName) (\(SettingKey.environmentName(of: key.fileName))) from \(source.name)"
        let path: String?
        do {
            path = try await source.reader.fetchString(forKey: ConfigKey([key.fileName]))
        } catch {
            throw CommandFailure(.usage, "\(setting) is not a path", advice: "see docs/configuration.md")
        }
        guard let path else { return nil }
        do {
            return try SecretFile.read(path)
        } catch {
            throw CommandFailure(.usage, "\(setting): \(error.reason)", advice: "it holds the value and nothing else")
        }
    }

    private static func malformed(_ key: SettingKey, _ source: String, _ wanted: String) -> CommandFailure {
        CommandFailure(
            .usage,
            "setting \(key.rawValue) (\(key.environmentName)) from \(source) is not \(wanted)",
            advice: "see docs/configuration.md"
        )
    }

    func text(_ key: SettingKey) async throws(CommandFailure) -> String? {
        try await Self.text(key, in: sources)
    }

    func number(
        _ key: SettingKey,
        in range: ClosedRange<Double>,
        default standard: Double
    ) async throws(CommandFailure) -> Double {
        for source in sources {
            let wanted = "a number from \(range.lowerBound.formatted()) to \(range.upperBound.formatted())"
            guard let value = try await Self.number(key, in: source, wanted: wanted) else { continue }
            guard range.contains(value) else { throw Self.malformed(key, source.name, wanted) }
            return value
        }
        return standard
    }

    func wholeNumber(
        _ key: SettingKey,
        in range: ClosedRange<Int>,
        default standard: Int
    ) async throws(CommandFailure) -> Int {
        let bounds = Double(range.lowerBound)...Double(range.upperBound)
        let value = try await number(key, in: bounds, default: Double(standard))
        guard let whole = Int(exactly: value) else {
            throw CommandFailure(
                .usage,
                "setting \(key.rawValue) (\(key.environmentName)) must be a whole number",
                advice: "see docs/configuration.md"
            )
        }
        return whole
    }

    /// A flag and an environment variable are text; in a file 5 is an integer and 0.5 is not.
    private static func number(
        _ key: SettingKey,
        in source: Source,
        wanted: String
    ) async throws(CommandFailure) -> Double? {
        let name = ConfigKey([key.rawValue])
        if let value = try? await source.reader.fetchDouble(forKey: name) { return value }
        if let value = try? await source.reader.fetchInt(forKey: name) { return Double(value) }
        let text: String?
        do {
            text = try await source.reader.fetchString(forKey: name)
        } catch {
            throw malformed(key, source.name, wanted)
        }
        guard let text else { return nil }
        guard let value = Double(text) else { throw malformed(key, source.name, wanted) }
        return value
    }

    func parsed<Value>(
        _ key: SettingKey,
        default standard: Value,
        wanted: String,
        _ parse: (String) -> Value?
    ) async throws(CommandFailure) -> Value {
        for source in sources {
            guard let text = try await Self.text(key, in: [source]) else { continue }
            guard let value = parse(text) else { throw Self.malformed(key, source.name, wanted) }
            return value
        }
        return standard
    }

    // MARK: What every command asks

    func owner() async throws(CommandFailure) -> Owner {
        try await parsed(.owner, default: Owner(known: "local"), wanted: "an owner (\(Owner.sentence))") { Owner($0) }
    }

    func logLevel(default level: Logger.Level) async throws(CommandFailure) -> Logger.Level {
        let known = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
        return try await parsed(.logLevel, default: level, wanted: "one of \(known)") { Logger.Level(rawValue: $0) }
    }

    func logFormat() async throws(CommandFailure) -> LogFormat {
        let known = LogFormat.allCases.map(\.rawValue).joined(separator: ", ")
        return try await parsed(.logFormat, default: .text, wanted: "one of \(known)") { LogFormat(rawValue: $0) }
    }
}
