import Glibc
import ImageCore

/// A running machine is asked and looked at until it is decided what became of its guest.
extension BootProver {
    /// With a processor's virtualisation that works, firmware writes its first words within a second.
    private static let firstWords = Duration.seconds(30)

    /// Looks on. On a thread of its own, since it waits for sockets.
    /// - Parameter pictures: gets a word for each picture of the screen that is worth reading.
    /// - Returns: `nil` when it was stopped.
    static func watch(
        _ machine: BootMachine,
        _ console: BootWatch,
        since began: ContinuousClock.Instant,
        _ limit: Duration,
        _ pictures: (every: Duration, taken: AsyncStream<Void>.Continuation),
        _ flag: CancellationFlag
    ) -> Run? {
        defer { pictures.taken.finish() }
        var nextPicture = began + pictures.every
        var control: MachineControl?
        var agent: LocalSocket?
        var nextQuestion = began + .seconds(3)
        while !flag.isRaised {
            if control == nil { control = MachineControl(machine.controlSocket) }
            if ContinuousClock.now >= nextQuestion {
                nextQuestion = .now + .seconds(3)
                if agent == nil { agent = LocalSocket(machine.agentSocket) }
                // An agent that comes up later answers all that was asked before.
                if let agent, agent.send(#"{"execute":"guest-ping"}"#),
                    agent.receive(["\"return\""], within: .milliseconds(200)) != nil
                {
                    console.agentAnswered()
                }
            }
            if ContinuousClock.now >= nextPicture {
                nextPicture = .now + pictures.every
                if control != nil, console.beginLook() {
                    if control?.takePicture(machine.look) == true {
                        pictures.taken.yield()
                    } else {
                        console.endLook(nil)
                    }
                }
            }
            let past = ContinuousClock.now - began
            let sign = console.sign
            let isStuck = !machine.isEmulated && past >= firstWords && !console.hasSeenAnything
            if sign != nil || past >= limit || isStuck {
                return Run(
                    end: sign == nil ? .deadline : .sign,
                    sign: sign,
                    isFromScreen: console.isFromScreen,
                    milliseconds: Int64(past / .milliseconds(1)),
                    isEmulated: machine.isEmulated,
                    hasPicture: control?.takePicture(machine.picture) ?? false
                )
            }
            usleep(100_000)
        }
        return nil
    }

    // MARK: The screen

    /// From `tesseract-ocr`. Where it is missing, screens are not read.
    static let screenReader = "/usr/bin/tesseract"
    private static let readLimit = Duration.seconds(60)
    private static let readLimits = ChildProcess.Limits(memoryBytes: 2 << 30, processorSeconds: 60)

    /// Reads each picture that is taken, until no more are.
    ///
    /// What the guest shows is its own, and may aim at the reader's faults: it is read by the user that QEMU runs as, within
    /// limits, though without a filter of system calls.
    static func readScreens(_ machine: BootMachine, _ console: BootWatch, _ pictures: AsyncStream<Void>) async {
        for await _ in pictures {
            var reader = ChildProcess(
                program: "/usr/bin/setpriv",
                // The kernel forgets the signal when the user changes, so it is asked for once more.
                arguments: ["--pdeathsig", "KILL"] + UnprivilegedUser(isOther: geteuid() == 0).options
                    + ["--", "/usr/bin/prlimit", "--core=0", "--fsize=\(1 << 20)", "--"]
                    + [screenReader, machine.look, "stdout", "--psm", "6", "--dpi", "96"],
                timeLimit: readLimit,
                limits: readLimits,
                hasGroup: true
            )
            reader.environment = ["OMP_THREAD_LIMIT": "1"]
            let output = try? await reader.run()
            console.endLook(output?.exitCode == 0 ? output?.standardOutput : nil)
        }
    }
}
