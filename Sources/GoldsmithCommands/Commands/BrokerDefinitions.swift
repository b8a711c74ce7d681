import AMQPClient
import Crypto
import Foundation
import ImageCore
import RabbitMQTransport

/// RabbitMQ's own form: four random bytes, and the SHA-256 of them and the password, in base64.
enum PasswordHash {
    static func make(_ password: String) -> String {
        make(password, salt: withUnsafeBytes(of: UInt32.random(in: 0 ... .max)) { Array($0) })
    }

    static func make(_ password: String, salt: [UInt8]) -> String {
        Data(salt + SHA256.hash(data: Data(salt + Array(password.utf8)))).base64EncodedString()
    }
}

/// What `rabbitmqctl import_definitions`, the management page and a broker's `load_definitions` take.
///
/// Without topic permissions: RabbitMQ imports them before the exchanges they are for, and one with Khepri then stops.
struct BrokerDefinitions: Encodable {
    struct VirtualHost: Encodable {
        var name: String
    }

    struct User: Encodable {
        var name: String
        /// Empty: no password is the right one.
        var passwordHash: String
        var hashingAlgorithm = "rabbit_password_hashing_sha256"
        var tags: [String] = []
    }

    struct Permission: Encodable {
        var user: String
        var vhost: String
        var configure: String
        var write: String
        var read: String
    }

    struct Exchange: Encodable {
        var name: String
        var vhost: String
        var type: String
        var durable = true
        var autoDelete = false
        var `internal` = false
        var arguments: [String: Argument]
    }

    struct Queue: Encodable {
        var name: String
        var vhost: String
        var durable = true
        var autoDelete = false
        var arguments: [String: Argument]
    }

    struct Binding: Encodable {
        var source: String
        var vhost: String
        var destination: String
        var destinationType = "queue"
        var routingKey: String
        var arguments: [String: Argument] = [:]
    }

    /// A queue's or an exchange's argument: those of the topology are texts and numbers.
    struct Argument: Encodable {
        var value: AMQPValue

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch value {
            case .string(let text): try container.encode(text)
            case .int(let number): try container.encode(number)
            case .bool(let flag): try container.encode(flag)
            case .double(let number): try container.encode(number)
            case .bytes, .timestamp, .array, .table, .void:
                throw EncodingError.invalidValue(
                    value,
                    .init(codingPath: encoder.codingPath, debugDescription: "no JSON")
                )
            }
        }
    }

    var vhosts: [VirtualHost]
    var users: [User]
    var permissions: [Permission]
    var exchanges: [Exchange]
    var queues: [Queue]
    var bindings: [Binding]

    init(_ topology: Topology, vhost: String, owners: [Owner], hashes: [BrokerRole: String]) {
        let roles = BrokerRole.allCases.map {
            (user: topology.user(of: $0), rights: topology.rights(of: $0, owners: owners))
        }
        vhosts = [VirtualHost(name: vhost)]
        users = BrokerRole.allCases.map { User(name: topology.user(of: $0), passwordHash: hashes[$0] ?? "") }
        permissions = roles.map { user, rights in
            Permission(user: user, vhost: vhost, configure: rights.configure, write: rights.write, read: rights.read)
        }
        exchanges = topology.exchanges.map {
            Exchange(
                name: $0.name,
                vhost: vhost,
                type: $0.type,
                arguments: $0.arguments.mapValues { Argument(value: $0) }
            )
        }
        queues = (topology.queues + topology.producerQueues).map {
            Queue(name: $0.name, vhost: vhost, arguments: $0.arguments.mapValues { Argument(value: $0) })
        }
        bindings = (topology.bindings + topology.producerBindings(for: owners)).map {
            Binding(source: $0.exchange, vhost: vhost, destination: $0.queue, routingKey: $0.routingKey)
        }
    }

    var json: String {
        get throws(CommandFailure) {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            encoder.keyEncodingStrategy = .convertToSnakeCase
            guard let bytes = try? encoder.encode(self) else {
                throw CommandFailure(.failed, "the definitions cannot be encoded")
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}
