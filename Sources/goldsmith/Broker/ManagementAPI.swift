import FoundationEssentials
import Subprocess
import SystemPackage

/// Asks the broker's management plugin what AMQP does not tell: rates, unacknowledged messages, alarms, rights.
///
/// By way of `curl`, which knows proxies, TLS and time-outs; the password goes in by its standard input, where nobody
/// else on the machine can read it.
struct ManagementAPI: Sendable {
    static let program = "/usr/bin/curl"
    private static let limit = 16 << 20
    private static let patience = 10

    let address: ManagementAddress

    /// Why nothing was learnt, in a sentence.
    struct Failure: Error {
        var message: String
    }

    /// - Parameter path: each part percent-encoded, for example `api/queues/%2F`.
    func get<Value: Decodable>(_ type: Value.Type, _ path: String) async throws(Failure) -> Value {
        let text = try await fetch(path)
        do {
            return try JSONDecoder().decode(type, from: Data(text.utf8))
        } catch {
            throw Failure(message: "the management plugin's answer to \(path.prefix { $0 != "?" }) cannot be read")
        }
    }

    private func fetch(_ path: String) async throws(Failure) -> String {
        let options = """
            silent
            show-error
            fail
            max-time = \(Self.patience)
            proto = "=http,https"
            user = "\(escaped("\(address.user):\(address.password)"))"
            url = "\(escaped("\(address.base)/\(path)"))"

            """
        do {
            let result = try await Subprocess.run(
                .path(FilePath(Self.program)),
                // First of all: whoever's .curlrc must not change what is asked.
                arguments: ["--disable", "--config", "-"],
                input: .string(options),
                output: .string(limit: Self.limit),
                error: .string(limit: 4096)
            )
            guard result.terminationStatus.isSuccess else {
                let reason = result.standardError.split(separator: "\n").first ?? "curl: it failed"
                throw Failure(message: "the management plugin does not answer: \(reason)")
            }
            return result.standardOutput
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(message: "\(Self.program) cannot be run; install curl")
        }
    }

    private func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            if character == "\\" || character == "\"" { result.append("\\") }
            result.append(character)
        }
    }
}

/// What the plugin says, as far as it is used.
extension ManagementAPI {
    struct Queue: Decodable, Sendable {
        struct Statistics: Decodable, Sendable {
            struct Rate: Decodable, Sendable { var rate: Double? }

            var publishDetails: Rate?
            var ackDetails: Rate?

            private enum CodingKeys: String, CodingKey {
                case publishDetails = "publish_details"
                case ackDetails = "ack_details"
            }
        }

        var name: String
        var unacked: Int?
        var statistics: Statistics?
        var policy: String?

        private enum CodingKeys: String, CodingKey {
            case name, policy
            case unacked = "messages_unacknowledged"
            case statistics = "message_stats"
        }
    }

    struct Page<Item: Decodable & Sendable>: Decodable, Sendable { var items: [Item] }

    /// The queues whose name begins with `prefix`.
    func queues(of virtualHost: String, prefix: String) async throws(Failure) -> [Queue] {
        let columns = "name,policy,messages_unacknowledged,message_stats.publish_details,message_stats.ack_details"
        let page = try await get(
            Page<Queue>.self,
            "api/queues/\(Self.encoded(virtualHost))?page=1&page_size=500&name=\(Self.encoded(prefix)).&columns=\(columns)"
        )
        return page.items.filter { $0.name.hasPrefix(prefix + ".") }
    }

    static func encoded(_ text: String) -> String {
        let hexadecimal = Array("0123456789ABCDEF")
        return text.utf8.reduce(into: "") { result, byte in
            let scalar = Unicode.Scalar(byte)
            if scalar.properties.isAlphabetic && scalar.isASCII || (0x30...0x39).contains(byte)
                || "-._".unicodeScalars.contains(scalar)
            {
                result.unicodeScalars.append(scalar)
            } else {
                result.append("%")
                result.append(hexadecimal[Int(byte >> 4)])
                result.append(hexadecimal[Int(byte & 15)])
            }
        }
    }
}
