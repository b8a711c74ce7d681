import GoldsmithTestSupport
import Synchronization

/// Lets faults happen one after the other, in an order and at times that a seed decides, until it is cancelled.
final class FaultHand: Sendable {
    private let stage: Stage
    private let faults: [Fault]
    private let seed: UInt64
    /// Milliseconds to the next fault.
    private let gap: Range<Int>
    /// Whether the gap counts from the begin of a fault or from its end.
    private let isFromBegin: Bool
    private let counts = Mutex<[Fault: Int]>([:])
    private let present = Mutex<Fault?>(nil)

    init(
        _ faults: [Fault],
        on stage: Stage,
        seed: UInt64,
        gapMilliseconds: Range<Int>,
        isFromBegin: Bool = false
    ) {
        self.stage = stage
        self.faults = faults
        self.seed = seed
        gap = gapMilliseconds
        self.isFromBegin = isFromBegin
    }

    /// How many of each kind there have been.
    var done: [Fault: Int] { counts.withLock { $0 } }
    /// What goes wrong just now.
    var now: Fault? { present.withLock { $0 } }

    func run() async throws {
        var generator = SeededGenerator(seed: seed)
        var deck = Deck(faults)
        var before = ContinuousClock.now
        while true {
            let gap = Duration.milliseconds(Int.random(in: gap, using: &generator))
            try await Task.sleep(until: (isFromBegin ? before : .now) + gap)
            before = .now
            guard let fault = deck.next(&generator) else { return }
            present.withLock { $0 = fault }
            defer { present.withLock { $0 = nil } }
            do {
                try await stage.inflict(fault, &generator)
                counts.withLock { $0[fault, default: 0] += 1 }
            } catch is CancellationError {
                counts.withLock { $0[fault, default: 0] += 1 }
                throw CancellationError()
            } catch {
                // For example a purge while the broker is away.
                Progress.say("\(fault.rawValue) did not work out: \(error)")
            }
        }
    }
}
