import AMQPClient
import Foundation
import GoldsmithTestSupport
import SystemPackage
import Testing

@testable import PrivateServers

@Suite("TLS", .timeLimit(.minutes(2)))
struct TLSTests {
    @Test("an encrypted connection works, and is refused when the broker's certificate is not to be trusted")
    func encrypted() async throws {
        let folder = FilePath("/tmp/goldsmith-tls-\(getpid())")
        try Files.makeFolder(folder)
        defer { try? FileManager.default.removeItem(atPath: folder.string) }
        let certificates = try await TestCertificates(in: folder)
        let port = try Loopback.freePorts(1)[0]
        var server = RabbitMQNode.Options()
        server.configuration = [
            "listeners.ssl.local = 127.0.0.1:\(port)", "ssl_options.cacertfile = \(certificates.authority)",
            "ssl_options.certfile = \(certificates.certificate)", "ssl_options.keyfile = \(certificates.key)",
            "ssl_options.verify = verify_peer", "ssl_options.fail_if_no_peer_cert = false",
        ]
        let node = try await TestBroker.start(options: server)
        let url = "amqps://\(node.user):\(node.password)@localhost:\(port)/?cacertfile=\(certificates.authority)"
        let client = "&certfile=\(certificates.certificate)&keyfile=\(certificates.key)"
        for query in ["", client] {
            let endpoint = try AMQPEndpoint(parsing: url + query)
            let connection = AMQPConnection(endpoint: endpoint, name: "tls", logger: testLogger)
            let queue = unique("tls")
            // The server is ready when its plain port is; the encrypted one follows within a moment.
            #expect(await eventually { (try? await connection.open()) != nil })
            try await connection.declareQueue(queue)
            let publisher = AMQPPublisher(endpoint: endpoint, name: "tls", logger: testLogger)
            let consumer = AMQPConsumer(endpoint: endpoint, name: "tls", logger: testLogger)
            let sequence = try await consumer.deliveries(from: queue, prefetch: 100)
            // Several records per read, and one message of many reads.
            async let sent = publisher.publish(
                (0..<2000).map { number in
                    let size = number == 1000 ? 3_000_000 : number % 300
                    let message = AMQPMessage(body: [UInt8](repeating: 1, count: size), messageID: "\(number)")
                    return AMQPPublication(exchange: "", routingKey: queue, message: message)
                }
            )
            for number in 0..<2000 {
                let delivery = try #require(await sequence.first(1).first)
                #expect(delivery.message.messageID == "\(number)")
                delivery.ack()
            }
            #expect(await sent.allSatisfy { if case .success = $0 { true } else { false } })
            await consumer.close()
            #expect(try await connection.deleteQueue(queue) == 0)
            await publisher.close()
            await connection.close()
        }
        func opens(_ endpoint: AMQPEndpoint) async -> AMQPError.Kind? {
            let connection = AMQPConnection(endpoint: endpoint, name: "tls", logger: testLogger)
            do throws(AMQPError) {
                try await connection.open()
                await connection.close()
                return nil
            } catch {
                return error.kind
            }
        }
        var endpoint = try AMQPEndpoint(parsing: url)
        #expect(await opens(endpoint) == nil)
        endpoint.host = "127.0.0.1"  // Not the name in the certificate.
        #expect(await opens(endpoint) == .connectionFailed)
        endpoint.tls?.verifiesPeer = false
        #expect(await opens(endpoint) == nil)
        endpoint = try AMQPEndpoint(parsing: url)
        endpoint.tls = AMQPEndpoint.TLS()  // The system's authorities do not know ours.
        #expect(await opens(endpoint) == .connectionFailed)
        endpoint.tls?.authorityFile = "/no/such/file"
        #expect(await opens(endpoint) == .invalidEndpoint)
        await node.stop()
    }
}
