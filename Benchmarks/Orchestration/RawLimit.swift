import Foundation
import PrivateServers
import SystemPackage

/// The reference: what this broker does with as many messages, through four queues, when nothing is done with them.
struct RawLimit: Sendable {
    let program: FilePath

    /// About a job message with its properties.
    private static let bytes = 256
    private static let window = 256

    private struct Result: Decodable { var messagesPerSecond: Double }

    /// - Returns: messages a second through all four queues.
    func measure(_ messages: Int, on broker: RabbitMQNode, in folder: FilePath) async throws -> Double {
        let output = folder.appending("raw-limit.json")
        try? FileManager.default.removeItem(atPath: output.string)
        let process = try ServerProcess(
            program.string,
            ["\(messages)", "\(Self.bytes)", "\(Self.window)"],
            environment: ["AMQP_URL": broker.url],
            output: output
        )
        let hasEnded = await process.hasEnded(within: .seconds(300))
        process.killNow()
        let text = try Data(contentsOf: URL(fileURLWithPath: output.string))
        guard hasEnded, process.exitStatus == 0 else {
            throw BenchFailure("the raw limit was not measured: \(String(decoding: text, as: UTF8.self))")
        }
        return try JSONDecoder().decode(Result.self, from: text).messagesPerSecond
    }
}
