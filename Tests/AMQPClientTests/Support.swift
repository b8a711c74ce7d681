import AMQPClient
import GoldsmithTestSupport
import PrivateServers
import Testing

extension RabbitMQNode {
    var endpoint: AMQPEndpoint {
        get throws { try AMQPEndpoint(parsing: url) }
    }

    func connection(_ options: AMQPOptions = .init()) throws -> AMQPConnection {
        AMQPConnection(endpoint: try endpoint, name: "test", options: options, logger: testLogger)
    }

    func publisher(_ options: AMQPOptions = .init()) throws -> AMQPPublisher {
        AMQPPublisher(endpoint: try endpoint, name: "test publisher", options: options, logger: testLogger)
    }

    func consumer(_ options: AMQPOptions = .init()) throws -> AMQPConsumer {
        AMQPConsumer(endpoint: try endpoint, name: "test consumer", options: options, logger: testLogger)
    }
}

/// A name no other test uses.
func unique(_ prefix: String) -> String { "\(prefix)-\(UInt64.random(in: 0 ... .max))" }

func publication(to queue: String, _ text: String = "x", id: String? = nil) -> AMQPPublication {
    AMQPPublication(exchange: "", routingKey: queue, message: AMQPMessage(body: Array(text.utf8), messageID: id))
}

/// The error `body` throws; records an issue when it throws none.
func failure<R>(
    _ body: () async throws(AMQPError) -> R,
    sourceLocation: SourceLocation = #_sourceLocation
) async -> AMQPError? {
    do throws(AMQPError) {
        _ = try await body()
        Issue.record("nothing was thrown", sourceLocation: sourceLocation)
        return nil
    } catch {
        return error
    }
}

extension AMQPDeliveries {
    func first(_ count: Int) async -> [AMQPDelivery] {
        var found: [AMQPDelivery] = []
        guard count > 0 else { return found }
        for await delivery in self {
            found.append(delivery)
            if found.count == count { break }
        }
        return found
    }
}

extension AMQPDelivery {
    var text: String { String(decoding: message.body, as: UTF8.self) }
}
