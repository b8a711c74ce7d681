import FoundationEssentials

/// Asks the broker's management plugin what AMQP does not tell: rates, unacknowledged messages, alarms, rights.
struct ManagementAPI: Sendable {
    private static let limit = 16 << 20

    let address: ManagementAddress

    /// Why nothing was learnt, in a sentence.
    struct Failure: Error {
        var message: String
        /// Whether the plugin answers, and does not tell this to this user.
        var isRefusal = false
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
        do throws(Curl.Failure) {
            return try await Curl.run(
                [("fail", nil), ("user", "\(address.user):\(address.password)"), ("url", "\(address.base)/\(path)")],
                limit: Self.limit
            )
        } catch {
            throw Failure(
                message: "the management plugin does not answer: \(error)",
                // What curl says of a status with `fail`.
                isRefusal: "\(error)".hasSuffix("error: 401") || "\(error)".hasSuffix("error: 403")
            )
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
