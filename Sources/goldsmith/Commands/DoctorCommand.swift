import AMQPClient
import ArgumentParser
import Foundation
import ImageCore
import ImageWorker

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Look for what would lose or stop work, and say what to do.",
        discussion: "Ends with 1 when something must be mended."
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions

    private struct Finding: Encodable {
        enum Grade: String, Encodable {
            case good
            case warning
            case bad
        }

        var what: String
        var grade: Grade
        var message: String
        var advice: String?
    }

    func run() async throws {
        let settings = try await shared.settings()
        var findings = programs()
        findings += await store(settings)
        findings += await broker(settings)
        findings += await places(settings)
        if output.json {
            try Terminal.say(json: findings)
        } else {
            for finding in findings {
                let tone: Terminal.Tone =
                    switch finding.grade {
                    case .good: .good
                    case .warning: .busy
                    case .bad: .bad
                    }
                let advice = finding.advice.map { "\n          → \($0)" } ?? ""
                Terminal.say("\(Terminal.paint(mark(finding), tone))  \(finding.what): \(finding.message)\(advice)")
            }
        }
        if findings.contains(where: { $0.grade == .bad }) { throw ExitCode(CommandFailure.Kind.failed.rawValue) }
    }

    private func mark(_ finding: Finding) -> String {
        switch finding.grade {
        case .good: "ok     "
        case .warning: "warning"
        case .bad: "bad    "
        }
    }

    private func programs() -> [Finding] {
        [("qemu-img", "qemu-utils"), ("setpriv", "util-linux"), ("prlimit", "util-linux")].map { name, package in
            let path = "/usr/bin/\(name)"
            return FileManager.default.isExecutableFile(atPath: path)
                ? Finding(what: name, grade: .good, message: "at \(path)")
                : Finding(
                    what: name,
                    grade: .bad,
                    message: "not at \(path): no disk can be captured",
                    advice: "install \(package) (scripts/setup does)"
                )
        }
    }

    private func store(_ settings: Settings) async -> [Finding] {
        do {
            let kind = try await settings.storeAddress().kind
            let store = try await settings.openStore()
            let minuteAgo = Timestamp(microseconds: SystemTime().now().microseconds - 60_000_000)
            let old = try await stored { () async throws(StoreError) in
                try await store.unsent(before: minuteAgo, limit: 1000)
            }.count
            var findings = [
                Finding(what: "store", grade: .good, message: "\(kind) is reachable, its schema is current")
            ]
            if old > 0 {
                findings.append(
                    Finding(
                        what: "outbox",
                        grade: .bad,
                        message: "\(old == 1000 ? "1000 or more" : String(old)) messages wait there for over a minute",
                        advice: "is a worker running, and does the broker take messages (alarms, missing queues)?"
                    )
                )
            }
            return findings
        } catch {
            return [bad("store", error)]
        }
    }

    private func broker(_ settings: Settings) async -> [Finding] {
        do {
            let connection = try await settings.connect("doctor")
            let topology = try await settings.topology()
            var findings: [Finding] = []
            do {
                let version = try await connection.serverProperties["version"]
                if case .string(let text)? = version {
                    findings.append(Finding(what: "broker", grade: .good, message: "RabbitMQ \(text)"))
                }
                let differences = try await topology.verify(on: connection)
                findings.append(
                    differences.isEmpty
                        ? Finding(what: "topology", grade: .good, message: "complete")
                        : Finding(
                            what: "topology",
                            grade: .bad,
                            message: differences.map(\.description).joined(separator: "; "),
                            advice: "run `goldsmith topology apply`"
                        )
                )
                for queue in topology.consumedQueues {
                    guard let info = try await connection.inspectQueue(queue), info.consumerCount == 0 else { continue }
                    findings.append(
                        Finding(
                            what: queue,
                            grade: info.messageCount > 0 ? .bad : .warning,
                            message: "nobody consumes it; \(info.messageCount) ready",
                            advice: "start `goldsmith worker`"
                        )
                    )
                }
                for queue in topology.queuesForHumans {
                    guard let info = try await connection.inspectQueue(queue), info.messageCount > 0 else { continue }
                    findings.append(
                        Finding(
                            what: queue,
                            grade: .warning,
                            message:
                                "\(info.messageCount) message\(info.messageCount == 1 ? "" : "s") for a human to judge",
                            advice: "see docs/operations.md, 'A message is parked'"
                        )
                    )
                }
            } catch {
                findings.append(bad("broker", CommandFailure(error)))
            }
            await connection.close()
            return findings
        } catch {
            return [bad("broker", error)]
        }
    }

    private func places(_ settings: Settings) async -> [Finding] {
        do {
            return try await settings.locations().sorted { $0.key < $1.key }.map { name, path in
                guard FileManager.default.isWritableFile(atPath: path),
                    let facts = try? FileManager.default.attributesOfFileSystem(forPath: path),
                    let free = (facts[.systemFreeSize] as? NSNumber)?.int64Value
                else {
                    return Finding(
                        what: "location \(name)",
                        grade: .bad,
                        message: "\(path) is missing or cannot be written",
                        advice: "mount it, or take it out of the setting 'locations'"
                    )
                }
                return Finding(
                    what: "location \(name)",
                    grade: free < 1 << 30 ? .warning : .good,
                    message: "\(Format.bytes(free)) free at \(path)"
                )
            }
        } catch {
            return [bad("locations", error)]
        }
    }

    private func bad(_ what: String, _ failure: CommandFailure) -> Finding {
        Finding(what: what, grade: .bad, message: failure.message, advice: failure.advice)
    }
}
