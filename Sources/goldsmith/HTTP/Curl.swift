import Subprocess
import SystemPackage

/// HTTP by way of `curl`, which knows proxies, TLS and time-outs. Everything goes in by its standard input, where nobody
/// else on the machine can read it: options may hold passwords.
enum Curl {
    static let program = "/usr/bin/curl"
    /// How long one question may take, in seconds.
    private static let patience = 10

    /// Why there is no answer, in a few words.
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// - Parameters:
    ///   - options: long names of `curl`'s options, and their values.
    ///   - limit: the longest answer, in bytes.
    static func run(_ options: [(name: String, value: String?)], limit: Int) async throws(Failure) -> String {
        let common: [(name: String, value: String?)] = [
            ("silent", nil), ("show-error", nil), ("max-time", "\(patience)"), ("proto", "=http,https"),
        ]
        let lines = (common + options).map { option in
            option.value.map { "\(option.name) = \"\(escaped($0))\"" } ?? option.name
        }
        do {
            let result = try await Subprocess.run(
                .path(FilePath(program)),
                // First of all: whoever's .curlrc must not change what is asked.
                arguments: ["--disable", "--config", "-"],
                input: .string(lines.joined(separator: "\n") + "\n"),
                output: .string(limit: limit),
                error: .string(limit: 4096)
            )
            guard result.terminationStatus.isSuccess else {
                let reason = result.standardError.split(separator: "\n").first ?? "curl: it failed"
                throw Failure(description: String(reason))
            }
            return result.standardOutput
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(description: "\(program) cannot be run, or its answer is too long; is curl installed?")
        }
    }

    private static func escaped(_ text: String) -> String {
        text.unicodeScalars.reduce(into: "") { result, scalar in
            switch scalar {
            case "\\", "\"": result += "\\\(scalar)"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            default: result.unicodeScalars.append(scalar)
            }
        }
    }
}
