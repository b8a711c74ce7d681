import Glibc
import Observability
import ServiceLifecycle
import Subprocess
import Synchronization
import SystemPackage
import TerminalText

/// Worker processes on this machine: each in a session of its own, with a log file, started again when it dies.
struct WorkerPool {
    let count: Int
    let arguments: [String]
    let environment: [String: String]
    /// Where the first workers are; those after them are on no host.
    let hosts: [String]
    /// Where the first worker shows its metrics; the others on the ports after it.
    var metrics: ListenAddress?
    let logs: String
    let runningWorkers: RunningWorkers
    /// How long a worker may take to end before it is killed.
    let timeout: Duration

    /// Runs until a graceful shutdown, then ends every worker.
    /// - Parameter changed: gets the process ids whenever they change and all are there.
    func run(_ changed: @escaping @Sendable ([Int32]) -> Void) async throws {
        runningWorkers.expect(count, changed)
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<count {
                group.addTask { await keepRunning(index) }
            }
            group.addTask {
                try? await gracefulShutdown()
                Terminal.say("stopping: workers finish what runs")
            }
            // The shutdown is the first to return: workers are kept running until they are cancelled.
            await group.next()
            group.cancelAll()
        }
    }

    private func keepRunning(_ index: Int) async {
        while !Task.isCancelled {
            do {
                let status = try await runOnce(index)
                runningWorkers.remove(index)
                guard !Task.isCancelled else { return }
                Terminal.say("worker \(index + 1) ended (\(status)), starting it again")
            } catch {
                runningWorkers.remove(index)
                guard !Task.isCancelled else { return }
                Terminal.complain("worker \(index + 1) could not be started: \(error)")
            }
            // A worker that cannot start must not keep a core busy.
            try? await Task.sleep(for: .seconds(1))
        }
    }

    private func runOnce(_ index: Int) async throws -> String {
        let log = try FileDescriptor.open(
            FilePath("\(logs)/worker-\(index + 1).log"),
            .writeOnly,
            options: [.create, .append, .closeOnExec],
            permissions: [.ownerReadWrite]
        )
        var options = PlatformOptions()
        // Ctrl-C on the terminal is for `dev`, which then drains the workers itself.
        options.createSession = true
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: timeout)]
        var variables: [Environment.Key: String] = [:]
        for (key, value) in environment {
            if let key = Environment.Key(rawValue: key) { variables[key] = value }
        }
        if index < hosts.count {
            variables[Environment.Key(stringLiteral: SettingKey.host.environmentName)] = hosts[index]
        }
        if let metrics {
            variables[Environment.Key(stringLiteral: SettingKey.metricsListen.environmentName)] =
                metrics.after(index).authority
        }
        // No worker outlives `dev`, even if that is killed.
        let result = try await Subprocess.run(
            .path("/usr/bin/setpriv"),
            arguments: Arguments(["--pdeathsig", "KILL", "--", "/proc/\(getpid())/exe"] + arguments),
            environment: .inherit.updating(variables.mapValues { $0 }),
            platformOptions: options,
            input: .none,
            output: .fileDescriptor(log, closeAfterSpawningProcess: false),
            error: .fileDescriptor(log, closeAfterSpawningProcess: true)
        ) { execution in
            runningWorkers.add(index, execution.processIdentifier.value)
        }
        return "\(result.terminationStatus)"
    }
}

/// The running workers. Reports a change only once all are there, so that no reader sees a half-filled list.
final class RunningWorkers: Sendable {
    private struct State {
        var size = Int.max
        var pids: [Int: Int32] = [:]
        var changed: (@Sendable ([Int32]) -> Void)?
    }
    private let state = Mutex(State())

    func expect(_ size: Int, _ changed: @escaping @Sendable ([Int32]) -> Void) {
        state.withLock { ($0.size, $0.changed) = (size, changed) }
    }

    func add(_ index: Int, _ pid: Int32) {
        state.withLock { state in
            state.pids[index] = pid
            if state.pids.count == state.size { state.changed?(state.pids.sorted { $0.key < $1.key }.map(\.value)) }
        }
    }

    func remove(_ index: Int) { state.withLock { _ = $0.pids.removeValue(forKey: index) } }

    /// Asks every one that runs to end.
    func stopAll() { state.withLock { for pid in $0.pids.values { kill(pid, SIGTERM) } } }
}
