import AMQPClient
import FoundationEssentials
import GoldsmithTestSupport
import Subprocess
import SystemPackage
import Testing

@testable import PrivateServers

/// A broker with nothing but what `goldsmith topology export` prints, which demands a certificate of every client on
/// TLS.
struct RightsFixture: Sendable {
    static let virtualHost = "images"
    static let passwords = [
        "producer": "producer-hunter2", "worker": "worker-hunter2/%40", "operator": "operator-hunter2",
        "console": "console-hunter2",
    ]

    let node: RabbitMQNode
    let tlsPort: Int
    let certificates: TestCertificates
    let folder: String

    static func with(_ body: (RightsFixture) async throws -> Void) async throws {
        let folder = try ScratchFolder()
        let certificates = try await TestCertificates(in: FilePath(folder.path))
        let port = try Loopback.freePorts(1)[0]
        var options = RabbitMQNode.Options()
        options.configuration = [
            "listeners.ssl.local = 127.0.0.1:\(port)", "ssl_options.cacertfile = \(certificates.authority)",
            "ssl_options.certfile = \(certificates.certificate)", "ssl_options.keyfile = \(certificates.key)",
            "ssl_options.verify = verify_peer", "ssl_options.fail_if_no_peer_cert = true",
        ]
        let node = try await TestBroker.start(options: options)
        let fixture = RightsFixture(node: node, tlsPort: port, certificates: certificates, folder: folder.path)
        do {
            try await fixture.importDefinitions(folder)
            try await body(fixture)
        } catch {
            await node.stop()
            throw error
        }
        await node.stop()
        withExtendedLifetime(folder) {}
    }

    private func importDefinitions(_ folder: ScratchFolder) async throws {
        var environment: [String: String] = [:]
        for (role, password) in Self.passwords {
            try #require(folder.write(password + "\n", to: role))
            environment["GOLDSMITH_\(role.uppercased())_PASSWORD_FILE"] = folder.file(role)
        }
        let exported = try await Program.run(
            ["topology", "export", "--vhost", Self.virtualHost, "--owners", "acct-42,local"],
            environment: environment
        )
        #expect(exported.code == 0 && exported.complaint.isEmpty, "\(exported.complaint)")
        for password in Self.passwords.values { #expect(!exported.output.contains(password)) }
        // They are imported before the exchanges they are for, which a broker with Khepri refuses.
        #expect(!exported.output.contains("topic_permissions"))
        try #require(folder.write(exported.output, to: "definitions.json"))
        try await node.control(["import_definitions", folder.file("definitions.json")])
    }

    func endpoint(_ role: String) -> AMQPEndpoint {
        AMQPEndpoint(
            host: "127.0.0.1",
            port: node.port,
            user: "goldsmith-\(role)",
            password: Self.passwords[role] ?? "",
            virtualHost: Self.virtualHost
        )
    }

    /// For the built program: over TLS, with a client's certificate, everything secret in files.
    func environment(_ role: String) throws -> [String: String] {
        let password = (Self.passwords[role] ?? "").replacing("%", with: "%25").replacing("/", with: "%2F")
        let file = "\(folder)/\(role)-url"
        try Data("amqps://goldsmith-\(role):\(password)@localhost:\(tlsPort)/\(Self.virtualHost)\n".utf8)
            .write(to: URL(fileURLWithPath: file))
        return [
            "GOLDSMITH_AMQP_URL_FILE": file,
            "GOLDSMITH_AMQP_CA_FILE": certificates.authority.string,
            "GOLDSMITH_AMQP_CERTIFICATE_FILE": certificates.certificate.string,
            "GOLDSMITH_AMQP_KEY_FILE": certificates.key.string,
            "GOLDSMITH_STORE_URL": "sqlite://\(folder)/state.sqlite",
            "GOLDSMITH_DATA": "\(folder)/data",
            // A look into a guest is a virtual machine's start: only for the tests that are about it.
            "GOLDSMITH_GUEST_INSPECTION": "off", "GOLDSMITH_BOOT_PROOF": "off",
            // Minded by workers.
            "GOLDSMITH_UPSTREAMS": "goldsmith-producer=acct-42,local;goldsmith-operator=*;goldsmith-worker=*",
        ]
    }

    func run(_ role: String, _ arguments: String...) async throws -> Program.Result {
        try await Program.run(arguments, environment: try environment(role))
    }

    /// A worker while `body` runs, drained afterwards.
    func withWorker(_ body: @Sendable () async throws -> Void) async throws {
        try await serving("worker", ["worker", "--log-level", "trace", "--drain", "2"], body)
    }

    /// A console while `body` runs, which is given its address.
    func withConsole(_ body: @Sendable (String) async throws -> Void) async throws {
        let address = "127.0.0.1:\(try Loopback.freePorts(1)[0])"
        try await serving("console", ["console", "--listen", address]) { try await body("http://\(address)") }
    }

    private func serving(
        _ role: String,
        _ arguments: [String],
        _ body: @Sendable () async throws -> Void
    ) async throws {
        var variables: [Environment.Key: String?] = [:]
        for (name, value) in try environment(role) {
            if let key = Environment.Key(rawValue: name) { variables[key] = value }
        }
        var options = PlatformOptions()
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(60))]
        let log = try FileDescriptor.open(
            FilePath(log(of: role)),
            .writeOnly,
            options: [.create, .append],
            permissions: [.ownerReadWrite]
        )
        _ = try await Subprocess.run(
            .path(FilePath(Program.path)),
            arguments: Arguments(arguments),
            environment: .inherit.updating(variables),
            platformOptions: options,
            input: .none,
            output: .discarded,
            error: .fileDescriptor(log, closeAfterSpawningProcess: true)
        ) { execution in
            defer { try? execution.send(signal: .terminate) }
            try await body()
        }
    }

    func log(of role: String) -> String { "\(folder)/\(role).log" }
}
