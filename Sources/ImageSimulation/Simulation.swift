import ImageCore
import ImageWorker

public struct SimulationOptions: Sendable {
    /// Images asked for, at least 1. Default 3.
    public var images = 3
    public var faults = Set(FaultKind.allCases)
    /// How long faults go on, in virtual time. Default 10 minutes.
    public var stormy: Duration = .seconds(600)
    /// Everything must have come to its end this long after faults stop, in virtual time. Default 5 hours: a job may
    /// just have gone to the retry queue of an hour, and may do so a few times.
    public var timeout: Duration = .seconds(5 * 3600)

    public init() {}
}

/// What came of one seed.
public struct SimulationOutcome: Codable, Sendable {
    public var seed: UInt64
    public var violation: Violation?
    /// The last lines of the trace, when something was violated.
    public var lastLines: [String]
    /// The whole trace as one number: the same for two runs exactly when they did the same.
    public var traceHash: UInt64
    public var requests: Int
    public var rejected: Int
    public var available: Int
    public var error: Int
    public var faults: [FaultKind: Int]
    /// Virtual time that passed.
    public var seconds: Double
    /// Jobs of the concurrency runtime that ran.
    public var steps: Int
}

/// Runs the real intake, step runner, dead-letter handler, sweeper, core and store in virtual time. Everything around
/// them is simulated and goes wrong by chance, and all chance comes from the seed.
public enum Simulation {
    /// Jobs after which a run counts as one that turns in circles.
    private static let stepLimit = 20_000_000

    /// - Parameter echo: called with each line of the trace as it is written.
    public static func run(
        seed: UInt64,
        _ options: SimulationOptions = .init(),
        echo: (@Sendable (String) -> Void)? = nil
    ) -> SimulationOutcome {
        let dice = SharedDice(seed: seed)
        let executor = SeededExecutor(dice: dice)
        let stage = Stage()
        var steps = 0
        executor.run {
            let root = Task {
                do {
                    let world = try await World(seed: seed, options: options, dice: dice, echo: echo)
                    let pool = WorkerPool(world: world)
                    stage.open(world, pool)
                    stage.close(try await Scenario(world: world, pool: pool).play())
                } catch {
                    stage.fail("\(error)")
                }
            }
            while !stage.isClosed, steps < stepLimit {
                if executor.isIdle || dice.number(below: 8) == 0, stage.pool?.deliverOne() == true { continue }
                if !executor.isIdle {
                    executor.step()
                    steps += 1
                    stage.pool?.buryDead()
                } else if !stage.passTime() {
                    stage.fail("nothing moves and nothing waits for time to pass")
                }
            }
            root.cancel()
            stage.pool?.dismiss()
            // Tasks that still wait must not be left behind.
            while !executor.isIdle || stage.passTime() { executor.step() }
        }
        return stage.outcome(seed: seed, steps: steps)
    }
}
