import ImageCore
import Logging

/// The look that needs no appliance. `qemu-nbd` serves the disk, read-only, to a child that is sealed before it looks at
/// a byte of it.
extension GuestInspector {
    /// From `qemu-utils`, as `qemu-img` is.
    private static let server = "/usr/bin/qemu-nbd"
    /// A look takes a fraction of a second; a busy machine a few.
    private static let readLimit = Duration.seconds(30)
    private static let readLimits = ChildProcess.Limits(memoryBytes: 2 << 30, processorSeconds: 20)
    /// A search of 64 GiB of deleted blocks (`FreeBlocks.byteLimit`) takes about a minute and a half.
    private static let searchLimit = Duration.seconds(900)
    private static let searchLimits = ChildProcess.Limits(memoryBytes: 2 << 30, processorSeconds: 600)

    /// - Returns: `nil` when the disk is not plain, or cannot be read in this way here: what can be found out then is the
    ///   appliance's to say.
    func read(
        _ node: BlockNode,
        findsSecrets: Bool = false,
        _ subject: FailureSubject,
        _ logger: Logger
    ) async throws(StepFailure) -> Seen? {
        do throws(ChildFailure) {
            let scratch = try ScratchPlace(in: workplace)
            let output = try await report(on: node, socket: scratch.path + "/nbd", findsSecrets)
            guard case .seen(let seen) = try Self.answer(output) else { return nil }
            return seen
        } catch {
            if error.kind == .cancelled { throw .interrupted("The look into \(subject)") }
            logger.info(
                "guest is looked into by libguestfs's appliance",
                metadata: ["disk": "\(subject)", "reason": "\(error.text)"]
            )
            return nil
        }
    }

    private enum Ended: Sendable {
        case server(ChildFailure?)
        case reader(Result<[UInt8], ChildFailure>)
    }

    private func report(
        on node: BlockNode,
        socket: String,
        _ findsSecrets: Bool
    ) async throws(ChildFailure) -> [UInt8] {
        let time = findsSecrets ? Self.searchLimit : Self.readLimit
        let limits = findsSecrets ? Self.searchLimits : Self.readLimits
        let server = ChildProcess(
            program: Self.server,
            arguments: ["--read-only", "--socket=\(socket)", node.argument],
            timeLimit: time,
            limits: limits
        )
        var reader = ChildProcess(
            program: program,
            arguments: ["guest-visit", "--socket", socket] + (findsSecrets ? ["--secrets"] : []),
            timeLimit: time,
            limits: limits
        )
        // Swift's own handler of crashes starts a program, which a sealed process cannot.
        reader.environment = ["SWIFT_BACKTRACE": "enable=no"]
        reader.hasGroup = true
        return try await Self.run(reader, beside: server)
    }

    /// Serves a copy that the appliance writes to. What it overwrites with zeros, or discards, takes no room.
    static func writableServer(of copy: BlockNode, socket: String, timeLimit: Duration) -> ChildProcess {
        ChildProcess(
            program: server,
            arguments: [
                "--discard=unmap", "--detect-zeroes=unmap", "--persistent", "--shared=0", "--socket=\(socket)",
                copy.argument,
            ],
            timeLimit: timeLimit,
            hasGroup: true
        )
    }

    /// Runs a child that uses what a server serves. Neither outlives this call.
    static func run(
        _ run: ChildProcess,
        beside serve: ChildProcess,
        onActivity: (@Sendable () -> Void)? = nil
    ) async throws(ChildFailure) -> [UInt8] {
        let result = await withTaskGroup(of: Ended.self) { group in
            group.addTask { .server(await Self.failure(of: serve)) }
            group.addTask { .reader(await Self.output(of: run, onActivity)) }
            // Whichever is left is killed, and reaped before this returns.
            defer { group.cancelAll() }
            for await ended in group {
                switch ended {
                case .reader(let result): return result
                case .server(let failure?): return .failure(failure)
                // It ends by itself when the reader has.
                case .server(nil): continue
                }
            }
            return .failure(ChildFailure(kind: .cancelled, text: "cancelled"))
        }
        return try result.get()
    }

    private static func failure(of server: ChildProcess) async -> ChildFailure? {
        do throws(ChildFailure) {
            let output = try await server.run()
            return output.exitCode == 0 ? nil : ChildFailure(kind: .exited(output.exitCode), text: output.errorText)
        } catch {
            return error
        }
    }

    private static func output(
        of reader: ChildProcess,
        _ onActivity: (@Sendable () -> Void)?
    ) async -> Result<[UInt8], ChildFailure> {
        do throws(ChildFailure) {
            let output = try await reader.run(onActivity: onActivity)
            guard output.exitCode == 0, output.standardOutput.count <= ChildProcess.outputLimit else {
                return .failure(ChildFailure(kind: .exited(output.exitCode), text: output.errorText))
            }
            return .success(output.standardOutput)
        } catch {
            return .failure(error)
        }
    }
}
