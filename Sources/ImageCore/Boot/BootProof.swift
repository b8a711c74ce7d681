/// Whether an image is started once, from a replica, before or after it counts as made.
public enum BootProof: String, Codable, Sendable, CaseIterable {
    /// It is not started.
    case off
    /// It is started beside the other replications. The verdict is kept with the image, and neither delays nor fails it.
    case report
    /// The image is Available only when it has booted.
    case require
}

/// What `require` makes of an image for which nothing was proven.
public enum UnprovenBoot: String, Codable, Sendable, CaseIterable {
    case error
    case available
}

/// What a plan says of the proof.
public struct BootTerms: Codable, Equatable, Sendable {
    public var mode: BootProof
    public var unproven: UnprovenBoot
    /// Why the mode is off although nobody asked for that. Absent: somebody did, or it is not off.
    public var note: String?

    public init(_ mode: BootProof, unproven: UnprovenBoot = .error, note: String? = nil) {
        self.mode = mode
        self.unproven = unproven
        self.note = note
    }
}

/// An installation's terms for requests that do not state their own.
public struct BootPolicy: Equatable, Sendable {
    /// `nil`: `report` where the worker that answers can start a guest, else `off` with a note.
    public var mode: BootProof?
    public var unproven: UnprovenBoot

    public init(mode: BootProof? = .off, unproven: UnprovenBoot = .error) {
        self.mode = mode
        self.unproven = unproven
    }

    /// - Parameters:
    ///   - asked: what the request says.
    ///   - obstacle: why the answering worker cannot start a guest; `nil` when it can.
    /// - Returns: `nil` for no proof and nothing to say of it.
    package func terms(asked: BootProof?, obstacle: String?) -> BootTerms? {
        if let mode = asked ?? mode { return mode == .off ? nil : BootTerms(mode, unproven: unproven) }
        return obstacle.map { BootTerms(.off, note: $0) } ?? BootTerms(.report, unproven: unproven)
    }
}

public enum BootVerdict: String, Codable, Sendable, CaseIterable {
    /// The guest was seen to have started.
    case proven
    /// The guest was seen to have failed.
    case failed
    /// Neither was seen, or nothing could be started. Says nothing against the image.
    case notProven = "not-proven"
}

/// What was seen of a guest that was started from a replica. Facts only: `Image.judge` makes a verdict of them.
public struct BootObservation: Codable, Equatable, Sendable {
    /// What ended the observation.
    public enum End: String, Codable, Sendable, CaseIterable {
        case sign
        case deadline
        /// The guest switched its machine off.
        case switchedOff = "switched-off"
        /// The program that ran the guest ended, and not because the guest asked for it.
        case machineFailed = "machine-failed"
    }

    public var end: End
    /// Present exactly when `end` is `sign`.
    public var sign: BootSign?
    /// Whether the sign was read on the screen. Absent: it was not.
    public var isFromScreen: Bool?
    /// From the machine's start to its end.
    public var milliseconds: Int64
    /// Whether the processor was emulated, which makes a start about ten times slower.
    public var isEmulated: Bool
    public var firmware: BootFirmware
    /// The last lines of the console, or of the screen where that decided or the console showed nothing: printable, at most `BootConsole.excerptLines` of at most 200 characters.
    public var console: [String]
    /// What is kept beside the manifest, by name.
    public var files: [String]

    public init(
        end: End,
        sign: BootSign? = nil,
        isFromScreen: Bool? = nil,
        milliseconds: Int64,
        isEmulated: Bool,
        firmware: BootFirmware,
        console: [String] = [],
        files: [String] = []
    ) {
        self.end = end
        self.sign = sign
        self.isFromScreen = isFromScreen
        self.milliseconds = milliseconds
        self.isEmulated = isEmulated
        self.firmware = firmware
        self.console = console
        self.files = files
    }

    public var verdict: BootVerdict {
        guard end == .sign, let sign else { return .notProven }
        return sign.isGood ? .proven : .failed
    }

    /// A sentence without its full stop.
    public var sentence: String {
        let seconds = (milliseconds + 500) / 1_000
        let time = "after \(seconds) s" + (isEmulated ? " on an emulated processor" : "")
        switch end {
        case .sign:
            let place = isFromScreen == true ? ", read on the screen" : ""
            return "\(sign?.sentence ?? "something was seen on its console") \(time)\(place)"
        case .deadline:
            let seen = console.isEmpty ? "nothing was seen on its console" : "its console decided nothing"
            return "\(seen) within \(seconds) s" + (isEmulated ? " on an emulated processor" : "")
        case .switchedOff: return "the guest switched itself off \(time)"
        case .machineFailed: return "the virtual machine ended by itself \(time)"
        }
    }
}

/// The verdict on an image, and what it rests on.
public struct BootRecord: Codable, Equatable, Sendable {
    public var verdict: BootVerdict
    /// Why: a sentence without its full stop.
    public var reason: String
    /// The location of the replica that was started.
    public var location: LocationName
    public var at: Timestamp
    /// The worker that started it. Absent where none reported.
    public var worker: String?
    /// Absent where nothing could be started.
    public var observation: BootObservation?

    init(_ seen: BootObservation, at location: LocationName, _ now: Timestamp, by worker: String?) {
        verdict = seen.verdict
        reason = seen.sentence
        self.location = location
        at = now
        self.worker = worker
        observation = seen
    }

    /// Nothing could be started.
    init(unproven failure: StepFailure, at location: LocationName, _ now: Timestamp) {
        verdict = .notProven
        reason = failure.message.hasSuffix(".") ? String(failure.message.dropLast()) : failure.message
        self.location = location
        at = now
    }
}

extension BootTerms {
    /// Why an image does not count with this verdict; `nil` when it does.
    func refusal(of record: BootRecord) -> StepFailure? {
        guard mode == .require else { return nil }
        switch (record.verdict, unproven) {
        case (.proven, _), (.notProven, .available): return nil
        case (.failed, _):
            return StepFailure(
                .permanent,
                .bootFailed,
                "a machine started from the image's replica at \(record.location) did not boot: \(record.reason)",
                advice: record.observation?.sign?.advice
                    ?? "start the instance and see whether it boots, then make the image again"
            )
        case (.notProven, .error):
            return StepFailure(
                .permanent,
                .bootNotProven,
                "it was not proven that the image boots (replica at \(record.location)): \(record.reason)",
                advice: "give the guest a serial console (console=ttyS0) or the QEMU guest agent, ask with bootProof "
                    + "report, or set bootProofUnproven to available; then make the image again"
            )
        }
    }
}
