import AMQPClient
import ArgumentParser
import ImageWorker

struct QueueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue",
        abstract: "Look at the queues.",
        subcommands: [QueueList.self]
    )
}

struct QueueList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the queues with what is ready and who consumes.",
        discussion: "A work queue without a consumer is marked: nobody does its jobs."
    )

    @OptionGroup var shared: SharedOptions
    @OptionGroup var output: OutputOptions

    private struct View: Encodable {
        var name: String
        var purpose: String
        /// Absent when the queue does not exist.
        var ready: Int?
        var consumers: Int?
        /// Whether somebody must consume it.
        var needsConsumer: Bool
    }

    func run() async throws {
        let settings = try await shared.settings()
        let topology = try await settings.topology()
        let connection = try await settings.connect("queue list")
        var views: [View] = []
        do {
            for queue in topology.queues {
                let info = try await connection.inspectQueue(queue.name)
                views.append(
                    View(
                        name: queue.name,
                        purpose: queue.purpose,
                        ready: info?.messageCount,
                        consumers: info?.consumerCount,
                        needsConsumer: topology.consumedQueues.contains(queue.name)
                    )
                )
            }
        } catch {
            throw CommandFailure(error)
        }
        await connection.close()
        if output.json { return try Terminal.say(json: views) }
        var table = Table("QUEUE", "READY", "CONSUMERS", "FOR", "")
        for view in views {
            var note = ""
            if view.ready == nil {
                note = Terminal.paint("missing", .bad)
            } else if view.needsConsumer, view.consumers == 0 {
                note = Terminal.paint("no consumer", .bad)
            }
            table.add(
                view.name,
                view.ready.map(String.init) ?? "–",
                view.consumers.map(String.init) ?? "–",
                view.purpose,
                note
            )
        }
        Terminal.say(table.text)
    }
}
