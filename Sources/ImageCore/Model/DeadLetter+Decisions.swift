/// Why a dead letter is neither replayed nor discarded.
///
/// One rule for the store, a dry run, the command line and the console. Each says in its own words how to insist.
public enum DeadLetterRefusal: Error, Hashable {
    /// It came back from each of so many replays. A forced replay is accepted.
    case replayLimit(Int)
    /// It was replayed and has not come back. A forced replay is accepted.
    case replayed
    case discarded
    /// The image is no longer in Error.
    case settled
    /// No queue takes its message (`KeptMessage.replay`).
    case notReplayable

    /// Whether a forced replay is accepted.
    public var yieldsToForce: Bool {
        switch self {
        case .replayLimit, .replayed: true
        case .discarded, .settled, .notReplayable: false
        }
    }

    public var message: String {
        switch self {
        case .replayLimit(let replays): "it was replayed \(replays) times and came back each time"
        case .replayed: "it was replayed and has not come back"
        case .discarded: "it was discarded"
        case .settled: "its image is no longer in Error"
        case .notReplayable: KeptMessage.notReplayableReason
        }
    }
}

extension DeadLetter.State {
    /// The state that a dead letter is in now, of the state that was written down. A failed job is settled as soon as its
    /// image has left Error, whatever brought that about.
    ///
    /// A view, and no event: a replay that was refused opens a dead letter again, also one whose image has left Error
    /// meanwhile. Stores that filter by state make their condition of this function.
    /// - Parameter image: the status of the image of the dead letter's id; `nil` when there is none.
    public func current(_ kind: DeadLetter.Kind, image: ImageStatus?) -> DeadLetter.State {
        switch (kind, self) {
        case (.dead, .open): image == .error ? .open : .settled
        case (.dead, .replayed), (.dead, .discarded), (.dead, .settled), (.parked, _), (.unrouted, _): self
        }
    }
}

extension DeadLetter {
    /// Why this is not replayed now; `nil` when it is.
    /// - Parameters:
    ///   - message: the message it is about; a dead letter needs none.
    ///   - isForced: also beyond `replayLimit`, and also when it has not come back.
    public func refusalOfReplay(of message: KeptMessage?, isForced: Bool) -> DeadLetterRefusal? {
        if let refusal = refusal(acceptsReplayed: isForced) { return refusal }
        guard isForced || replays < Self.replayLimit else { return .replayLimit(replays) }
        return replayMessage(replays + 1, of: message) == nil ? .notReplayable : nil
    }

    /// Replays it: the dead letter as it is then, and the message to send.
    public func replayed(_ message: KeptMessage?, isForced: Bool) -> Result<Replayed, DeadLetterRefusal> {
        if let refusal = refusalOfReplay(of: message, isForced: isForced) { return .failure(refusal) }
        var deadLetter = self
        deadLetter.replays += 1
        deadLetter.state = .replayed
        guard let outgoing = deadLetter.replayMessage(deadLetter.replays, of: message) else {
            return .failure(.notReplayable)
        }
        return .success(Replayed(deadLetter: deadLetter, message: outgoing))
    }

    /// Why this is not discarded now; `nil` when it is. One that was replayed may never come back, so it can be.
    public var refusalOfDiscard: DeadLetterRefusal? { refusal(acceptsReplayed: true) }

    /// Discards it.
    public func discarded() -> Result<DeadLetter, DeadLetterRefusal> {
        if let refusal = refusalOfDiscard { return .failure(refusal) }
        var deadLetter = self
        deadLetter.state = .discarded
        return .success(deadLetter)
    }

    public struct Replayed: Equatable, Sendable {
        public var deadLetter: DeadLetter
        public var message: OutgoingMessage
    }

    private func refusal(acceptsReplayed: Bool) -> DeadLetterRefusal? {
        switch state {
        case .open: nil
        case .replayed: acceptsReplayed ? nil : .replayed
        case .discarded: .discarded
        case .settled: .settled
        }
    }

    private func replayMessage(_ number: Int, of message: KeptMessage?) -> OutgoingMessage? {
        guard kind == .dead else { return message?.replay(number, of: id) }
        var deadLetter = self
        deadLetter.replays = number
        return deadLetter.retryMessage
    }
}
