import AMQPClient
import GoldsmithTestSupport
import SystemPackage
import Testing

@testable import PrivateServers

@Suite("Private servers", .timeLimit(.minutes(30)))
struct PrivateServersTests {
    @Test("a stopped server leaves no process, keeps its data, and its secrets are for its owner only")
    func stopped() async throws {
        let node = try await TestBroker.start()
        let connection = try node.connection()
        try await connection.declareQueue("kept", arguments: ["x-queue-type": "quorum"])
        let port = node.port
        #expect(Processes.mentioning(node.folder.string).contains(Int(node.pid)))
        for name in ["rabbitmq.conf", ".erlang.cookie"] {
            #expect(Processes.mode(of: node.folder.appending(name)) & 0o077 == 0, "\(name)")
        }
        // Neither a command line nor an environment has the password.
        #expect(Processes.mentioning(node.password).isEmpty)
        await node.stop()
        #expect(Processes.mentioning(node.folder.string).isEmpty)
        #expect(node.pid == 0)
        #expect(!Loopback.answersAMQP(port))
        try await node.restart()
        #expect(node.port == port)
        #expect(try await connection.inspectQueue("kept") != nil)
        node.freeze()
        await node.stop()
        #expect(Processes.mentioning(node.folder.string).isEmpty)
        await connection.close()
    }

    @Test("a server which cannot start says why")
    func broken() async throws {
        var options = RabbitMQNode.Options()
        options.configuration = ["no_such_setting = 1"]
        let error = await #expect(throws: RabbitMQNode.Failure.self) { try await TestBroker.start(options: options) }
        #expect(error?.description.contains("no_such_setting") == true, "\(String(describing: error))")
        options = RabbitMQNode.Options()
        options.program = "/no/such/program"
        await #expect(throws: (any Error).self) { try await TestBroker.start(options: options) }
    }

    @Test("watched processes die with the one who watches, and not when he lets go")
    func parentMonitor() async throws {
        let (monitor, sleeper) = (try ParentMonitor(), try ServerProcess("/bin/sleep", ["600"]))
        monitor.watch([sleeper.pid])
        monitor.hangUp()
        #expect(await sleeper.hasEnded(within: .seconds(10)))
        #expect(sleeper.exitStatus == 137)
        let (other, survivor) = (try ParentMonitor(), try ServerProcess("/bin/sleep", ["600"]))
        other.watch([survivor.pid])
        other.dismiss()
        #expect(survivor.isRunning)
        survivor.killNow()
        #expect(survivor.exitStatus == 137)
    }
}
