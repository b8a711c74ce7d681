import AMQPClient
import Foundation
import GoldsmithTestSupport
import SystemPackage
import Testing

@testable import PrivateServers

@Suite("TLS", .timeLimit(.minutes(30)))
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

    @Test("a broker that demands a certificate lets in whoever has one of its authority, and nobody else")
    func clientCertificate() async throws {
        let folder = FilePath("/tmp/goldsmith-tls-client-\(getpid())")
        let strangers = folder.appending("strangers")
        for path in [folder, strangers] { try Files.makeFolder(path) }
        defer { try? FileManager.default.removeItem(atPath: folder.string) }
        let ours = try await TestCertificates(in: folder)
        let others = try await TestCertificates(in: strangers)
        let port = try Loopback.freePorts(1)[0]
        var server = RabbitMQNode.Options()
        server.configuration = [
            "listeners.ssl.local = 127.0.0.1:\(port)", "ssl_options.cacertfile = \(ours.authority)",
            "ssl_options.certfile = \(ours.certificate)", "ssl_options.keyfile = \(ours.key)",
            "ssl_options.verify = verify_peer", "ssl_options.fail_if_no_peer_cert = true",
        ]
        let node = try await TestBroker.start(options: server)
        func error(_ certificate: FilePath?, _ key: FilePath?) async -> AMQPError? {
            var endpoint = AMQPEndpoint(host: "localhost", port: port, user: node.user, password: node.password)
            endpoint.tls = AMQPEndpoint.TLS()
            endpoint.tls?.authorityFile = ours.authority.string
            endpoint.tls?.certificateFile = certificate?.string
            endpoint.tls?.keyFile = key?.string
            let connection = AMQPConnection(endpoint: endpoint, name: "tls", logger: testLogger)
            do throws(AMQPError) {
                try await connection.open()
                await connection.close()
                return nil
            } catch {
                return error
            }
        }
        // The server is ready when its plain port is; the encrypted one follows within a moment.
        #expect(await eventually { await error(ours.certificate, ours.key) == nil })
        for (certificate, key) in [(nil, nil), (others.certificate, others.key)] {
            let refused = await error(certificate, key)
            #expect(
                refused?.kind == .connectionFailed && refused?.isRetriable == true,
                "\(String(describing: refused))"
            )
        }
        // What is wrong with our own files is said before anything is sent, with their names.
        let misfit = await error(ours.certificate, others.key)
        #expect(misfit?.kind == .invalidEndpoint && misfit?.text.contains(others.key.string) == true)
        let missing = folder.appending("missing.pem")
        let absent = await error(missing, ours.key)
        #expect(absent?.kind == .invalidEndpoint && absent?.text.contains(missing.string) == true)
        await node.stop()
    }

    @Test("each fault of the broker's certificate is named")
    func faults() async throws {
        let folder = FilePath("/tmp/goldsmith-tls-faults-\(getpid())")
        let strangers = folder.appending("strangers")
        for path in [folder, strangers] { try Files.makeFolder(path) }
        defer { try? FileManager.default.removeItem(atPath: folder.string) }
        let ours = try await TestCertificates(in: folder)
        let others = try await TestCertificates(in: strangers)
        let expired = try await ours.certificate(from: "20200101000000Z", until: "20200201000000Z")
        let future = try await ours.certificate(from: "20400101000000Z", until: "20410101000000Z")
        let cases: [(certificate: FilePath, key: FilePath, host: String, told: String)] = [
            (expired, ours.key, "localhost", "has expired"), (future, ours.key, "localhost", "is not valid yet"),
            (ours.certificate, ours.key, "127.0.0.1", "is for another host than '127.0.0.1'"),
            (others.certificate, others.key, "localhost", "is not signed by an authority that is trusted"),
            (others.authority, strangers.appending("ca-key.pem"), "localhost", "is signed by itself"),
        ]
        for (certificate, key, host, told) in cases {
            let port = try Loopback.freePorts(1)[0]
            let server = try ServerProcess(
                "/usr/bin/openssl",
                [
                    "s_server", "-quiet", "-accept", "127.0.0.1:\(port)", "-cert", certificate.string, "-key",
                    key.string,
                ]
            )
            var endpoint = AMQPEndpoint(host: host, port: port)
            endpoint.tls = AMQPEndpoint.TLS()
            endpoint.tls?.authorityFile = ours.authority.string
            // The second time as well: the first finding must not be reported again.
            for _ in 0..<2 {
                var error: AMQPError?
                // Until it listens, the connection is refused.
                _ = await eventually {
                    let connection = AMQPConnection(endpoint: endpoint, name: "tls", logger: testLogger)
                    error = await failure { () async throws(AMQPError) in try await connection.open() }
                    return error?.text.contains("certificate") == true
                }
                #expect(error?.text.contains(told) == true, "\(String(describing: error))")
                #expect(error?.kind == .connectionFailed)
            }
            server.killNow()
        }
    }
}
