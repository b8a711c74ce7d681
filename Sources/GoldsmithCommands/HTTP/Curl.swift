import Subprocess
import SystemPackage

/// HTTP through `curl`, which supports proxies, TLS and time-outs. Everything goes in by its standard input, which no
/// other user of the machine can read: options may hold passwords.
enum Curl {
    static let program = "/usr/bin/curl"
    /// How long one question may take, in seconds.
    private static let timeout = 10
    /// Of a document, in scalars. `curl` before 8 ends at a line of more than 100 KiB.
    private static let longestPiece = 16_384

    /// Why there is no answer, in a few words.
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// - Parameters:
    ///   - options: long names of `curl`'s options, and their values.
    ///   - document: an object of JSON to be posted, of any length. Default: nothing is posted.
    ///   - limit: the longest answer, in bytes.
    static func run(
        _ options: [(name: String, value: String?)],
        posting document: String = "",
        limit: Int
    ) async throws(Failure) -> String {
        let common: [(name: String, value: String?)] = [
            ("silent", nil), ("show-error", nil), ("max-time", "\(timeout)"), ("proto", "=http,https"),
        ]
        let posted = pieces(of: document).map { (name: "json", value: Optional($0)) }
        let lines = (common + options + posted).map { option in
            option.value.map { "\(option.name) = \"\(escaped($0))\"" } ?? option.name
        }
        do {
            let result = try await Subprocess.run(
                .path(FilePath(program)),
                // This comes first: the user's .curlrc must not change the request.
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

    /// What `curl` puts together again. No piece begins with an `@`: it would be the name of a file to send.
    private static func pieces(of document: String) -> [String] {
        var pieces: [String] = []
        var piece = String.UnicodeScalarView()
        var length = 0
        for scalar in document.unicodeScalars {
            if length >= longestPiece, scalar != "@" {
                pieces.append(String(piece))
                piece = String.UnicodeScalarView()
                length = 0
            }
            piece.append(scalar)
            length += 1
        }
        return length == 0 ? pieces : pieces + [String(piece)]
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
