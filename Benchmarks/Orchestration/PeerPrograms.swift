import Foundation
import PrivateServers
import SystemPackage

/// Runs the programs of `Benchmarks/peers`. Each starts and ends its own workers.
struct PeerPrograms: Sendable {
    /// Of the virtual environment that `scripts/setup --peers` makes.
    let python: FilePath
    let folder: FilePath

    /// How long one run may take.
    private static let timeout: Duration = .seconds(420)

    private struct Result: Decodable {
        var items: Int
        var steps: Int
        var itemsPerSecond: Double
        var processorSeconds: Double
        var setup: String
        var version: String
    }

    /// - Returns: what the program measured, which has counted every step of every item.
    func run(_ peer: Peer, _ items: Int, on arena: Arena) async throws -> Measurements.Throughput {
        try FileManager.default.createDirectory(atPath: arena.memory.string, withIntermediateDirectories: true)
        let output = arena.folder.appending("\(peer.rawValue).log")
        // Its standard input ends when we do, whatever ends us, and then so does the program.
        let (input, hold) = try FileDescriptor.pipe()
        let process: ServerProcess
        do {
            defer { try? input.close() }
            process = try ServerProcess(
                python.string,
                [folder.appending("with_\(peer.rawValue).py").string, "\(items)"],
                environment: [
                    "PEER_URL": try await Self.url(for: peer, on: arena),
                    "PEER_TALLY": arena.memory.appending("tally").string,
                    "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin",
                    "HOME": arena.folder.string,
                ],
                input: input.rawValue,
                output: output
            )
        } catch {
            try? hold.close()
            throw error
        }
        let hasEnded = await process.hasEnded(within: Self.timeout)
        try hold.close()
        if await !process.hasEnded(within: .seconds(20)) { process.killNow() }
        let text = try String(contentsOfFile: output.string, encoding: .utf8)
        // Libraries print what they like before it.
        guard hasEnded, process.exitStatus == 0, let line = text.split(separator: "\n").last,
            let result = try? JSONDecoder().decode(Result.self, from: Data(line.utf8)),
            result.items == items, result.steps == items * 4
        else { throw BenchFailure("\(peer.name) was not measured: \(text.suffix(2000))") }
        return Measurements.Throughput(
            itemsPerSecond: result.itemsPerSecond,
            milliseconds: result.processorSeconds / Double(items) * 1000,
            setup: "\(result.version); \(result.setup)"
        )
    }

    private static func url(for peer: Peer, on arena: Arena) async throws -> String {
        switch peer {
        case .celery: return arena.broker.url + "%2F"
        case .dramatiq:
            // It has no setting for quorum queues, but a virtual host has: its queues are of that type by default.
            let (host, user) = ("dramatiq", arena.broker.user)
            try await arena.broker.control(["add_vhost", host, "--default-queue-type", "quorum"])
            try await arena.broker.control(["set_permissions", "-p", host, user, ".*", ".*", ".*"])
            return arena.broker.url + host
        case .dbos, .procrastinate:
            guard let url = arena.databaseURL else { throw BenchFailure("there is no database for \(peer.name)") }
            return url
        }
    }
}
