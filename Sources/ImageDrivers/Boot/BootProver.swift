import Glibc
import ImageCore
import Synchronization

/// Starts replicas in throw-away machines, and watches their consoles.
public struct BootProver: Sendable {
    let program: String
    let machineProgram: String
    let timeLimit: Duration
    let emulatedTimeLimit: Duration
    let workplace: String
    /// How long the serial line must be silent before the screen is read.
    let screenInterval: Duration

    public static let standardScreenInterval = Duration.seconds(15)
    /// Three minutes with a processor's virtualisation, ten without.
    public static let standardTimeLimit = Duration.seconds(180)
    public static let standardEmulatedTimeLimit = Duration.seconds(600)

    /// - Parameters:
    ///   - program: the absolute path of `goldsmith`.
    ///   - machineProgram: the absolute path of QEMU.
    ///   - timeLimit: for a guest to show that it has started or failed.
    ///   - emulatedTimeLimit: the same, where the processor is emulated.
    ///   - workplace: the folder in which each machine has a folder of its own; a short path, because it holds sockets.
    ///   - screenInterval: the screen is read each time that the serial line was silent for so long.
    public init(
        program: String,
        machineProgram: String = "/usr/bin/qemu-system-x86_64",
        timeLimit: Duration = Self.standardTimeLimit,
        emulatedTimeLimit: Duration = Self.standardEmulatedTimeLimit,
        workplace: String = "/tmp",
        screenInterval: Duration = Self.standardScreenInterval
    ) {
        self.program = program
        self.machineProgram = machineProgram
        self.timeLimit = timeLimit
        self.emulatedTimeLimit = emulatedTimeLimit
        self.workplace = workplace
        self.screenInterval = screenInterval
    }

    /// Why no machine can be started: a sentence without its full stop. `nil` when one could.
    var obstacle: String? {
        guard access(machineProgram, X_OK) != 0 else { return nil }
        return "the worker's host has no \(machineProgram) (package qemu-system-x86)"
    }

    /// What a run of a machine has shown.
    struct Run: Sendable {
        var end: BootObservation.End
        var sign: BootSign?
        var isFromScreen: Bool
        var milliseconds: Int64
        var isEmulated: Bool
        var hasPicture: Bool
    }

    /// Whether this host's `/dev/kvm` was found not to work. Trying it again would cost each proof half a minute.
    private static let isWithoutKVM = Atomic<Bool>(false)

    /// Runs a machine as `run(_:over:_:)` does: on the host's processor where that works, else emulated.
    func run(_ machine: BootMachine, over files: [String]) async throws(ChildFailure) -> (Run, BootWatch) {
        var machine = machine
        // A /dev/kvm that is there and does not work (in a container, or a machine within a machine) must not be the end
        // of it: QEMU ends at once, or its guest never gets anywhere, or no further than its boot loader.
        var isKVMDoubted = false
        if access("/dev/kvm", R_OK | W_OK) == 0, !Self.isWithoutKVM.load(ordering: .relaxed) {
            machine.isEmulated = false
            let console = BootWatch()
            do throws(ChildFailure) {
                let run = try await run(machine, over: files, console)
                if console.hasSeenAnything, run.end != .deadline { return (run, console) }
            } catch  where error.kind == .cancelled {
                throw error
            } catch {}
            isKVMDoubted = console.hasSeenAnything
            if !isKVMDoubted { Self.isWithoutKVM.store(true, ordering: .relaxed) }
        }
        machine.isEmulated = true
        let console = BootWatch()
        let run = try await run(machine, over: files, console)
        // It was not the guest: with the same disks the emulated machine came further.
        if isKVMDoubted, run.sign != nil { Self.isWithoutKVM.store(true, ordering: .relaxed) }
        return (run, console)
    }

    private enum Event: Sendable {
        case ended(Result<ChildProcess.Output, ChildFailure>)
        case decided(Run?)
    }

    /// Runs a machine once, until its console has decided, its time is up, or it ends. It is gone when this returns or throws.
    /// - Parameter files: the replica's, in the order of the machine's disks.
    func run(_ machine: BootMachine, over files: [String], _ console: BootWatch) async throws(ChildFailure) -> Run {
        let limit = machine.isEmulated ? emulatedTimeLimit : timeLimit
        let child = ChildProcess(
            program: program,
            arguments: ["boot-machine"] + files.flatMap { ["--file", $0] } + ["--", machineProgram] + machine.arguments,
            timeLimit: limit + .seconds(60),
            limits: ChildProcess.Limits(
                memoryBytes: BootMachine.addressSpace,
                processorSeconds: (BootMachine.processors + 1) * Int(limit.components.seconds) + 60
            )
        )
        let began = ContinuousClock.now
        let (pictures, taken) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let interval = access(Self.screenReader, X_OK) == 0 ? screenInterval : limit
        let result = await withTaskGroup(of: Event.self) { group in
            group.addTask {
                do throws(ChildFailure) {
                    return .ended(.success(try await child.run(onOutput: { console.feed($0) })))
                } catch {
                    return .ended(.failure(error))
                }
            }
            group.addTask {
                let run: Run? = try? await OwnThread.run { flag -> Result<Run?, StepFailure> in
                    .success(Self.watch(machine, console, since: began, limit, (interval, taken), flag))
                }
                return .decided(run)
            }
            group.addTask {
                await Self.readScreens(machine, console, pictures)
                return .decided(nil)
            }
            // Whichever is left is ended, and the process reaped, before this returns.
            defer { group.cancelAll() }
            var ending: Result<Run, ChildFailure>?
            for await event in group {
                switch event {
                case .decided(let run?): ending = ending ?? .success(run)
                case .decided(nil): break
                case .ended(let result): ending = ending ?? Self.run(endedBy: result, machine, console, since: began)
                }
                if ending != nil { break }
            }
            return ending ?? .failure(ChildFailure(kind: .cancelled, text: "cancelled"))
        }
        if Task.isCancelled { throw ChildFailure(kind: .cancelled, text: "cancelled") }
        return try result.get()
    }

    /// The program has ended before anything was decided.
    private static func run(
        endedBy result: Result<ChildProcess.Output, ChildFailure>,
        _ machine: BootMachine,
        _ console: BootWatch,
        since began: ContinuousClock.Instant
    ) -> Result<Run, ChildFailure> {
        let isGuest: Bool
        switch result {
        case .success(let output):
            isGuest = output.exitCode == 0
            // QEMU did not like its arguments, or its surroundings.
            if !isGuest, !console.hasSeenAnything {
                return .failure(ChildFailure(kind: .exited(output.exitCode), text: output.errorText))
            }
        case .failure(let failure):
            guard case .signalled = failure.kind, console.hasSeenAnything else { return .failure(failure) }
            isGuest = false
        }
        let sign = console.sign
        return .success(
            Run(
                end: sign != nil ? .sign : isGuest ? .switchedOff : .machineFailed,
                sign: sign,
                isFromScreen: console.isFromScreen,
                milliseconds: Int64((ContinuousClock.now - began) / .milliseconds(1)),
                isEmulated: machine.isEmulated,
                hasPicture: false
            )
        )
    }
}
