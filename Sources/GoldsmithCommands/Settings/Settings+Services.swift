import AMQPClient
import Foundation
import ImageCore
import RabbitMQTransport

/// Where broker, store and management plugin are, and what they are called.
extension Settings {
    func endpoint() async throws(CommandFailure) -> AMQPEndpoint {
        guard let url = try await text(.amqpUrl) else { throw nothingRuns("broker", .amqpUrl) }
        var endpoint: AMQPEndpoint
        do {
            endpoint = try AMQPEndpoint(parsing: url)
        } catch {
            throw CommandFailure(.usage, "setting amqpUrl (\(SettingKey.amqpUrl.environmentName)): \(error.text)")
        }
        let authority = try await text(.amqpCaFile)
        let certificate = try await text(.amqpCertificateFile)
        let key = try await text(.amqpKeyFile)
        guard authority != nil || certificate != nil || key != nil else { return endpoint }
        guard var tls = endpoint.tls else {
            throw CommandFailure(
                .usage,
                "amqpCaFile, amqpCertificateFile and amqpKeyFile are for an encrypted connection, and amqpUrl begins with "
                    + "amqp://",
                advice: "let it begin with amqps://"
            )
        }
        guard (certificate == nil) == (key == nil) else {
            throw CommandFailure(.usage, "amqpCertificateFile and amqpKeyFile go together")
        }
        if let authority { tls.authorityFile = authority }
        if let certificate, let key { (tls.certificateFile, tls.keyFile) = (certificate, key) }
        endpoint.tls = tls
        return endpoint
    }

    /// What `topology export` gives a role's user; `nil` when it is not set.
    func password(of role: BrokerRole) async throws(CommandFailure) -> String? {
        let key = role.passwordKey
        guard let password = try await text(key) else { return nil }
        guard (12...1024).contains(password.utf8.count) else {
            throw CommandFailure(.usage, "setting \(key.rawValue) (\(key.environmentName)) must have 12 to 1024 bytes")
        }
        return password
    }

    var amqpURL: String? {
        get async throws(CommandFailure) { try await text(.amqpUrl) }
    }

    var storeURL: String? {
        get async throws(CommandFailure) { try await text(.storeUrl) }
    }

    func storeAddress() async throws(CommandFailure) -> StoreAddress {
        guard let url = try await storeURL else { throw nothingRuns("store", .storeUrl) }
        // The URL is not repeated: it may hold a password.
        guard let address = StoreAddress(url) else {
            throw CommandFailure(
                .usage,
                "setting storeUrl (\(SettingKey.storeUrl.environmentName)) must be sqlite:///an/absolute/path or "
                    + "postgresql://user:password@host/name"
            )
        }
        return address
    }

    /// `nil` when it is not set: then what only the management plugin knows is not known.
    func managementAddress() async throws(CommandFailure) -> ManagementAddress? {
        guard let url = try await text(.managementUrl) else { return nil }
        // The URL is not repeated: it holds a password.
        guard let address = ManagementAddress(url) else {
            throw CommandFailure(
                .usage,
                "setting managementUrl (\(SettingKey.managementUrl.environmentName)) must be "
                    + "http://user:password@host:15672 or https://…"
            )
        }
        return address
    }

    /// The broker's process, when it is that of the `goldsmith dev` in the data folder.
    var privateBroker: Int32? { DevFile.read(in: data)?.pids.broker }

    private func nothingRuns(_ what: String, _ key: SettingKey) -> CommandFailure {
        CommandFailure(
            .unavailable,
            "no \(what): nothing runs in \(data), and \(key.environmentName) is not set",
            advice:
                "start `goldsmith dev --data \(data)`, set \(key.environmentName), or name a file of settings with --config"
        )
    }

    func topology() async throws(CommandFailure) -> Topology {
        let prefix = try await parsed(
            .prefix,
            default: Topology.standardPrefix,
            wanted: "a name (\(IdentifierRule.sentence))"
        ) { IdentifierRule.allows($0) ? $0 : nil }
        let limit = try await wholeNumber(
            .intakeLimit,
            in: 1...100_000_000,
            default: Topology.standardIntakeLimit
        )
        return Topology(prefix: prefix, intakeLimit: limit, hosts: try await hosts())
    }

    /// The hosts with files of their own, each with lanes of its own.
    func hosts() async throws(CommandFailure) -> [HostName] {
        let wanted = "a list of hosts (each: \(HostName.sentence))"
        let hosts: [HostName] = try await parsed(.hosts, default: [], wanted: wanted) { text in
            let hosts = text.split(separator: ",").map { HostName($0.trimmingCharacters(in: .whitespaces)) }
            guard !hosts.contains(nil), hosts.count <= Self.hostLimit else { return nil }
            return hosts.compactMap { $0 }
        }
        guard let libvirt = try await libvirtHosts()?.names else { return hosts }
        guard libvirt.count <= Self.hostLimit else {
            throw wrongHosts("\(libvirt.count) hosts are too many", advice: "name at most \(Self.hostLimit)")
        }
        guard hosts.isEmpty || Set(hosts) == Set(libvirt) else {
            throw wrongHosts(
                "its hosts are \(libvirt.map(\.text).joined(separator: ", ")), those of the setting hosts "
                    + Set(hosts).sorted().map(\.text).joined(separator: ", "),
                advice: "leave \(SettingKey.hosts.environmentName) out: libvirtHosts names the hosts"
            )
        }
        return libvirt
    }

    /// A broker's user may read the queues that one regular expression names, and each host has one for each step.
    private static let hostLimit = 100
}
