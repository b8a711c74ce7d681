import Synchronization

/// Randomness that can be had again: SplitMix64.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// A seeded generator that concurrent tasks share.
public final class SharedDice: Sendable {
    public let seed: UInt64
    private let generator: Mutex<SeededGenerator>

    public init(seed: UInt64) {
        self.seed = seed
        generator = Mutex(SeededGenerator(seed: seed))
    }

    /// 0 ..< 1.
    public func share() -> Double { generator.withLock { Double.random(in: 0..<1, using: &$0) } }
    /// 0 ..< `bound`.
    public func number(below bound: Int) -> Int { generator.withLock { Int.random(in: 0..<bound, using: &$0) } }
}
