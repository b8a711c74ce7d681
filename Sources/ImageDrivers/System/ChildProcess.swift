import Glibc
import ImageCore
import Subprocess
import Synchronization
import SystemPackage

/// What went wrong with a child process, without what it means for an image.
struct ChildFailure: Error, Equatable {
    enum Kind: Equatable {
        /// The task was cancelled; the child has been killed and reaped.
        case cancelled
        /// The child was killed because its time limit had passed.
        case timedOut
        case notStarted
        case exited(Int)
        case signalled(Int)
    }

    var kind: Kind
    /// Printable, at most a few hundred characters: fit for a sentence.
    var text: String
}

/// A program that is run to its end and never outlives this process.
///
/// The child is started through `setpriv --pdeathsig KILL`. That signal is tied to the *thread* that forked, which is
/// sound here: swift-subprocess forks on one thread of its own that lives until this process exits. (A death in the
/// millisecond between the fork and setpriv's `prctl` is not covered. What such an orphan writes lies under a fencing
/// number that is never adopted.) It replaces itself with the program, so the process we kill is the program.
struct ChildProcess: Sendable {
    struct Output: Sendable {
        var standardOutput: [UInt8]
        var errorText: String
        var exitCode: Int
    }

    /// An absolute path: nothing is looked up in `PATH`, and no shell is involved.
    var program: String
    var arguments: [String]
    /// What it reads from its standard input; most read nothing.
    var input = ""
    /// `nil` lets it run as long as it needs.
    var timeLimit: Duration?
    /// The address space and processor seconds it may use; for programs that only look at what others have written.
    var limits: Limits?
    /// Beside `LC_ALL` and `PATH`, which are all that a child is given.
    var environment: [String: String] = [:]
    /// Whether it starts processes of its own. They share its process group then, and are killed when it has ended. It is
    /// asked to end first, and has a second for it.
    var hasGroup = false

    struct Limits: Sendable {
        var memoryBytes: Int64
        var processorSeconds: Int
    }

    /// More output than this is a failure for `standardOutput`, and is dropped from the error text.
    static let outputLimit = 1 << 20
    static let errorLimit = 4096

    /// - Parameters:
    ///   - onOutput: gets standard output as it comes; it is then not collected.
    ///   - onActivity: called about twice a second, but only when the child has read or written since the last call.
    /// - Returns: the output and the exit code, whatever it is.
    func run(
        onOutput: (@Sendable (borrowing RawSpan) -> Void)? = nil,
        onActivity: (@Sendable () -> Void)? = nil
    ) async throws(ChildFailure) -> Output {
        guard let timeLimit else { return try await runUnlimited(onOutput: onOutput, onActivity: onActivity) }
        let first = await withTaskGroup(of: Result<Output, ChildFailure>.self) { group in
            group.addTask {
                do throws(ChildFailure) {
                    return .success(try await self.runUnlimited(onOutput: onOutput, onActivity: onActivity))
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                do {
                    try await Task.sleep(for: timeLimit)
                    return .failure(ChildFailure(kind: .timedOut, text: "no answer within \(timeLimit)"))
                } catch {
                    return .failure(ChildFailure(kind: .cancelled, text: "cancelled"))
                }
            }
            let first = await group.next() ?? .failure(ChildFailure(kind: .cancelled, text: "cancelled"))
            // The group still waits until the child is reaped.
            group.cancelAll()
            return first
        }
        return try first.get()
    }

    private var commandLine: [String] {
        var words = ["--pdeathsig", "KILL", "--"]
        if let limits {
            words += ["/usr/bin/prlimit", "--as=\(limits.memoryBytes)", "--cpu=\(limits.processorSeconds)", "--"]
        }
        return words + [program] + arguments
    }

    private var variables: [Environment.Key: String] {
        var variables: [Environment.Key: String] = ["LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
        for (name, value) in environment {
            if let name = Environment.Key(rawValue: name) { variables[name] = value }
        }
        return variables
    }

    private var platformOptions: PlatformOptions {
        var options = PlatformOptions()
        if hasGroup {
            options.processGroupID = 0
            options.teardownSequence = [
                .send(signal: .terminate, allowedDurationToNextStep: .seconds(1)),
                .send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .seconds(1)),
            ]
        }
        return options
    }

    @concurrent
    private func runUnlimited(
        onOutput: (@Sendable (borrowing RawSpan) -> Void)?,
        onActivity: (@Sendable () -> Void)?
    ) async throws(ChildFailure) -> Output {
        let leader = Mutex<pid_t?>(nil)
        // The number of a group that still has members is not reused.
        defer { if let leader = leader.withLock({ $0 }) { kill(-leader, SIGKILL) } }
        do {
            // Without a group no gentle teardown: a cancelled child gets SIGKILL at once. It has nothing to clean up.
            let result = try await Subprocess.run(
                .path("/usr/bin/setpriv"),
                arguments: Arguments(commandLine),
                environment: .custom(variables),
                platformOptions: platformOptions,
                input: .string(input),
                output: .sequence,
                error: .sequence
            ) { execution in
                let process = execution.processIdentifier.value
                if hasGroup { leader.withLock { $0 = process } }
                let output = execution.standardOutput
                let errors = execution.standardError
                return try await withThrowingTaskGroup(of: Drained.self) { group in
                    group.addTask { .output(try await Self.drain(output, limit: Self.outputLimit + 1, onOutput)) }
                    group.addTask { .errors(try await Self.drain(errors, limit: Self.errorLimit, nil)) }
                    if let onActivity {
                        group.addTask { await Self.watch(process, onActivity) }
                    }
                    var collected: (output: [UInt8], errors: [UInt8]) = ([], [])
                    var streams = 0
                    while streams < 2, let drained = try await group.next() {
                        switch drained {
                        case .output(let bytes): collected.output = bytes
                        case .errors(let bytes): collected.errors = bytes
                        case .watching: continue
                        }
                        streams += 1
                    }
                    group.cancelAll()
                    return collected
                }
            }
            if Task.isCancelled { throw ChildFailure(kind: .cancelled, text: "cancelled") }
            let text = PlainText.sentence(result.closureResult.errors)
            switch result.terminationStatus {
            case .exited(let code):
                return Output(
                    standardOutput: result.closureResult.output,
                    errorText: text,
                    exitCode: Int(code)
                )
            case .signaled(let number):
                throw ChildFailure(kind: .signalled(Int(number)), text: text)
            }
        } catch let failure as ChildFailure {
            throw failure
        } catch {
            if Task.isCancelled { throw ChildFailure(kind: .cancelled, text: "cancelled") }
            throw ChildFailure(kind: .notStarted, text: PlainText.sentence("\(error)"))
        }
    }

    private enum Drained {
        case output([UInt8])
        case errors([UInt8])
        case watching
    }

    /// Reads a stream to its end, so that the child never blocks on a full pipe, and keeps at most `limit` bytes.
    private static func drain(
        _ stream: SubprocessOutputSequence,
        limit: Int,
        _ consume: (@Sendable (borrowing RawSpan) -> Void)?
    ) async throws -> [UInt8] {
        var kept: [UInt8] = []
        for try await buffer in stream {
            if let consume {
                consume(buffer.bytes)
            } else if kept.count < limit {
                buffer.withUnsafeBytes { kept.append(contentsOf: $0.prefix(limit - kept.count)) }
            }
        }
        return kept
    }

    /// `qemu-img -p` speaks only once per percent, which on a large disk is minutes apart. The kernel's own count of
    /// what the child has read and written tells a slow copy from a stuck one.
    private static func watch(_ process: pid_t, _ onActivity: @Sendable () -> Void) async -> Drained {
        var last = ""
        while (try? await Task.sleep(for: .milliseconds(500))) != nil {
            guard let counters = try? FileCalls.read("/proc/\(process)/io", limit: 4096) else { continue }
            let now = String(decoding: counters, as: UTF8.self)
            if now != last { onActivity() }
            last = now
        }
        return .watching
    }
}
