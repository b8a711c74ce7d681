import AMQPClient
import FoundationEssentials
import ImageCore
import ImageWorker
import Operations
import PrivateServers
import RabbitMQTransport
import TerminalText

extension Check {
    /// What only the broker's management plugin knows, where it may be asked; and the one setting it does not tell.
    static let management: [Check] = [
        Check(name: "management") { (settings) async throws(CommandFailure) in
            guard let address = try await settings.managementAddress() else {
                return [
                    Diagnosis(
                        "management",
                        .note,
                        "bindings, policies, feature flags and disk limits are not looked at",
                        advice: "set \(SettingKey.managementUrl.environmentName) to ask the broker's management plugin"
                    )
                ]
            }
            let examination = ManagementExamination(
                api: ManagementAPI(address: address),
                host: try await settings.endpoint().virtualHost,
                topology: try await settings.topology()
            )
            do throws(ManagementAPI.Failure) {
                return try await examination.bindings() + examination.policies() + examination.nodes()
                    + examination.featureFlags()
            } catch {
                return [
                    Diagnosis(
                        "management",
                        .warning,
                        error.message,
                        advice:
                            "is \(SettingKey.managementUrl.environmentName) right, and has its user the tag monitoring?"
                    )
                ]
            }
        },
        Check(name: "consumer_timeout", run: consumerTimeout),
    ]

    /// How long a broker must let a delivery be held: a worker waits for a slot, for its work, and for a store that is
    /// away.
    private static func holding(_ hold: Duration) -> Duration { hold * 2 + .seconds(600) }

    @Sendable private static func consumerTimeout(_ settings: Settings) async throws(CommandFailure) -> [Diagnosis] {
        let needed = holding(try await settings.workerOptions().hold)
        let text = "deliveries are held for up to \(Format.age(needed))"
        let ask = "application:get_env(rabbit, consumer_timeout)."
        guard let broker = settings.privateBroker,
            let answer = try? await RabbitMQNode.control(process: broker, ["eval", ask])
        else {
            return [
                Diagnosis(
                    "consumer_timeout",
                    .note,
                    "the broker does not report it; \(text), and the default is 30m",
                    advice:
                        "on the broker, `rabbitmqctl eval '\(ask)'` must say more than \(needed.microseconds / 1000)"
                )
            ]
        }
        guard let milliseconds = Int64(answer.filter(\.isNumber)) else {
            return [Diagnosis("consumer_timeout", .good, "none; \(text)")]
        }
        let limit = Duration.milliseconds(milliseconds)
        return [
            limit > needed
                ? Diagnosis("consumer_timeout", .good, "\(Format.age(limit)); \(text)")
                : Diagnosis(
                    "consumer_timeout",
                    .bad,
                    "\(Format.age(limit)), but \(text): the broker would close workers' channels",
                    advice:
                        "raise consumer_timeout in rabbitmq.conf above \(needed.microseconds / 1000), or lower 'hold'"
                )
        ]
    }
}

/// Looks at a broker through its management plugin.
private struct ManagementExamination {
    let api: ManagementAPI
    let host: String
    let topology: Topology

    private struct Binding: Decodable {
        var source: String
        var destination: String
        var key: String

        enum CodingKeys: String, CodingKey {
            case source, destination
            case key = "routing_key"
        }
    }

    func bindings() async throws(ManagementAPI.Failure) -> [Diagnosis] {
        let found = try await api.get([Binding].self, "api/bindings/\(ManagementAPI.encoded(host))")
        let there = Set(found.map { "\($0.source) \($0.key) → \($0.destination)" })
        let missing = topology.bindings.map { "\($0.exchange) \($0.routingKey) → \($0.queue)" }
            .filter { !there.contains($0) }
        guard !missing.isEmpty else { return [Diagnosis("bindings", .good, "all are there")] }
        return [
            Diagnosis(
                "bindings",
                .bad,
                "missing: \(missing.joined(separator: ", ")); its messages go astray",
                advice: "run `goldsmith topology apply`, then `goldsmith parked list`"
            )
        ]
    }

    private struct Policed: Decodable, Sendable {
        var name: String
        var effective: Effective?

        /// An empty list when there is none.
        struct Effective: Decodable, Sendable {
            var keys: [String]

            init(from decoder: any Decoder) throws {
                keys = ((try? [String: JSONValue](from: decoder)) ?? [:]).keys.sorted()
            }
        }

        enum CodingKeys: String, CodingKey {
            case name
            case effective = "effective_policy_definition"
        }
    }

    /// A policy with a limit drops messages that are still needed.
    private static let harmful: Set<String> = ["message-ttl", "expires", "max-length", "max-length-bytes"]

    func policies() async throws(ManagementAPI.Failure) -> [Diagnosis] {
        let page = try await api.get(
            ManagementAPI.Page<Policed>.self,
            "api/queues/\(ManagementAPI.encoded(host))?page=1&page_size=500&name=\(ManagementAPI.encoded(topology.prefix))."
                + "&columns=name,effective_policy_definition"
        )
        let names = Set(topology.queues.map(\.name))
        let findings = page.items.filter { names.contains($0.name) }.compactMap { queue -> Diagnosis? in
            let limits = (queue.effective?.keys ?? []).filter(Self.harmful.contains)
            guard !limits.isEmpty else { return nil }
            return Diagnosis(
                queue.name,
                .bad,
                "a policy sets \(limits.joined(separator: ", ")) on it: messages would be dropped or refused",
                advice: "`rabbitmqctl list_policies`; let its pattern leave \(topology.prefix).* out"
            )
        }
        return findings.isEmpty ? [Diagnosis("policies", .good, "none takes messages away")] : findings
    }

    private struct Node: Decodable {
        var name: String
        var running: Bool?
        var memoryAlarm: Bool?
        var diskAlarm: Bool?
        var diskFree: Int64?
        var diskLimit: Int64?
        var partitions: [String]?

        enum CodingKeys: String, CodingKey {
            case name, running, partitions
            case memoryAlarm = "mem_alarm"
            case diskAlarm = "disk_free_alarm"
            case diskFree = "disk_free"
            case diskLimit = "disk_free_limit"
        }
    }

    func nodes() async throws(ManagementAPI.Failure) -> [Diagnosis] {
        let columns = "name,running,mem_alarm,disk_free_alarm,disk_free,disk_free_limit,partitions"
        return try await api.get([Node].self, "api/nodes?columns=\(columns)").map { node in
            let what = "node \(PlainText.word(node.name))"
            if node.running == false {
                return Diagnosis(what, .warning, "it is down", advice: "start it: quorum queues need a majority")
            }
            if let others = node.partitions, !others.isEmpty {
                return Diagnosis(
                    what,
                    .bad,
                    "it is cut off from \(others.joined(separator: ", "))",
                    advice: "repair the network"
                )
            }
            if node.memoryAlarm == true || node.diskAlarm == true {
                let name = node.memoryAlarm == true ? "memory" : "disk"
                return Diagnosis(what, .bad, "\(name) alarm: publishers are blocked", advice: "free \(name) there")
            }
            guard let free = node.diskFree, let limit = node.diskLimit else {
                return Diagnosis(what, .note, "it does not say how much disk is free")
            }
            let text = "\(Quantity.bytes(free)) of disk free; publishers are blocked below \(Quantity.bytes(limit))"
            return free < limit * 2
                ? Diagnosis(what, .warning, text, advice: "make room there") : Diagnosis(what, .good, text)
        }
    }

    private struct Flag: Decodable {
        var name: String
        var state: String
        var stability: String?
    }

    /// Without these, queues are not what they are declared as.
    private static let needed: Set<String> = ["quorum_queue", "stream_queue"]

    func featureFlags() async throws(ManagementAPI.Failure) -> [Diagnosis] {
        let flags: [Flag]
        do throws(ManagementAPI.Failure) {
            flags = try await api.get([Flag].self, "api/feature-flags")
        } catch {
            guard error.isRefusal else { throw error }
            // RabbitMQ 3 shows them to administrators only; this user could read the rest.
            return [
                Diagnosis(
                    "feature flags",
                    .note,
                    "not looked at: this broker tells them to administrators only",
                    advice:
                        "there, `rabbitmqctl list_feature_flags` must say enabled for \(Self.needed.sorted().joined(separator: " and "))"
                )
            ]
        }
        let off = flags.filter { $0.state != "enabled" }
        let enable = "`rabbitmqctl enable_feature_flag all`, on one node of the cluster"
        let missing = off.map(\.name).filter(Self.needed.contains)
        if !missing.isEmpty {
            return [
                Diagnosis(
                    "feature flags",
                    .bad,
                    "\(missing.joined(separator: ", ")) not enabled: dead letters may be lost on their way",
                    advice: enable
                )
            ]
        }
        let stable = off.filter { $0.stability == "stable" }.map(\.name)
        return [
            stable.isEmpty
                ? Diagnosis("feature flags", .good, "all that are stable are enabled")
                : Diagnosis(
                    "feature flags",
                    .warning,
                    "not enabled: \(stable.joined(separator: ", ")); the broker's next version may ask for them",
                    advice: enable
                )
        ]
    }
}
