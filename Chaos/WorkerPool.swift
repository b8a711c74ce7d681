import Glibc
import PrivateServers
import Synchronization
import SystemPackage

/// Worker processes that can be killed, frozen and stopped, and are started again when they have ended.
final class WorkerPool: Sendable {
    private struct Member: Sendable {
        var process: ServerProcess?
        /// Whether we have killed the present process ourselves.
        var isDoomed = false
    }

    private struct State: Sendable {
        var members: [Member]
        var crashes = 0
        var isClosed = false
    }

    private let program: FilePath
    private let environment: [String: String]
    private let logs: FilePath
    private let monitor: ParentMonitor
    private let state: Mutex<State>

    init(_ count: Int, program: FilePath, environment: [String: String], logs: FilePath) throws {
        self.program = program
        self.environment = environment
        self.logs = logs
        monitor = try ParentMonitor()
        state = Mutex(State(members: Array(repeating: Member(), count: count)))
    }

    var count: Int { state.withLock { $0.members.count } }
    /// How often a worker ended by a signal that we did not send: a trap.
    var crashes: Int { state.withLock { $0.crashes } }

    /// Starts missing workers, until it is cancelled.
    func tend() async throws {
        while true {
            try state.withLock { state in
                guard !state.isClosed else { return }
                for index in state.members.indices where state.members[index].process?.isRunning != true {
                    if let status = state.members[index].process?.exitStatus, status >= 128,
                        !state.members[index].isDoomed
                    {
                        state.crashes += 1
                    }
                    let log = logs.appending("worker-\(index + 1).log")
                    let worker = try ServerProcess(program.string, ["worker"], environment: environment, output: log)
                    state.members[index] = Member(process: worker)
                }
                monitor.watch(state.members.compactMap { $0.process?.pid })
            }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    /// SIGKILL.
    func kill(_ index: Int) {
        state.withLock { state in
            state.members[index].isDoomed = true
            state.members[index].process?.killNow()
        }
    }

    func freeze(_ index: Int) { send(SIGSTOP, to: index) }
    func thaw(_ index: Int) { send(SIGCONT, to: index) }

    /// Asks a worker to finish what runs and end. What follows it is started by `tend`.
    func drain(_ index: Int) async throws {
        guard let worker = state.withLock({ $0.members[index].process }) else { return }
        worker.send(SIGTERM)
        _ = await worker.hasEnded(within: .seconds(60))
        try Task.checkCancellation()
    }

    private func send(_ signal: CInt, to index: Int) {
        state.withLock { $0.members[index].process?.send(signal) }
    }

    /// Ends all, in order and then by force, and starts none again.
    /// - Returns: how many had to be killed.
    func close() async -> Int {
        let workers = state.withLock { state in
            state.isClosed = true
            return state.members.compactMap(\.process)
        }
        for worker in workers {
            worker.send(SIGCONT)
            worker.send(SIGTERM)
        }
        var killed = 0
        for worker in workers where await !worker.hasEnded(within: .seconds(40)) {
            worker.killNow()
            killed += 1
        }
        monitor.dismiss()
        return killed
    }
}
