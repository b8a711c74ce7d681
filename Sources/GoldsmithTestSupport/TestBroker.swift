import Foundation
public import Logging
public import PrivateServers
import Synchronization
import SystemPackage

/// Real RabbitMQ servers for tests.
public enum TestBroker {
    private static let nodes = Mutex<[RabbitMQNode]>([])
    private static let common = Task { try await start() }

    /// One server for the whole test process, started by its first user. Do not stop, restart or freeze it.
    public static func shared() async throws -> RabbitMQNode { try await common.value }

    /// A server for one test, which may do anything to it and stops it at its end.
    public static func start(options: RabbitMQNode.Options = .init()) async throws -> RabbitMQNode {
        let folder = FilePath("/tmp/goldsmith-broker-\(getpid())-\(UInt32.random(in: 0 ... .max))")
        let node: RabbitMQNode
        do {
            node = try await RabbitMQNode.start(in: folder, options: options)
        } catch {
            try? FileManager.default.removeItem(atPath: folder.string)
            throw error
        }
        nodes.withLock { nodes in
            // Should the process be killed instead, the node's own watch ends it; only the folder stays.
            if nodes.isEmpty { atexit { TestBroker.killAll() } }
            nodes.append(node)
        }
        return node
    }

    // A folder left behind in /tmp is no reason to fail, hence the try? here and above.
    private static func killAll() {
        for node in nodes.withLock({ $0 }) {
            node.kill()
            try? FileManager.default.removeItem(atPath: node.folder.string)
        }
    }
}

/// A logger which shows warnings only when TEST_LOG is set.
public let testLogger: Logger = {
    var logger = Logger(label: "test") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = getenv("TEST_LOG") == nil ? .critical : .debug
    return logger
}()

/// Waits until `condition` holds; false when it does not within `timeout`. The default is for what happens at once on a
/// machine that has time for it, and minutes later on one that has not: it is no promise to be tested.
public func eventually(
    within timeout: Duration = .seconds(600),
    _ condition: () async throws -> Bool
) async rethrows -> Bool {
    let deadline = ContinuousClock.now + timeout
    while try await !condition() {
        guard ContinuousClock.now < deadline else { return false }
        // Cancelled: the condition is looked at once more.
        guard (try? await Task.sleep(for: .milliseconds(10))) != nil else { return try await condition() }
    }
    return true
}
