import ImageSimulation
import Testing

@Suite("Nothing lost, nothing left, whatever goes wrong", .timeLimit(.minutes(30)))
struct SimulationTests {
    @Test("every invariant holds", arguments: 1...40)
    func holds(seed: UInt64) {
        let outcome = Simulation.run(seed: seed)
        #expect(outcome.violation == nil, "\(outcome.lastLines.joined(separator: "\n"))")
        #expect(outcome.requests >= 3)
    }

    @Test("the same seed is the same story", arguments: [1, 7, 19])
    func replays(seed: UInt64) {
        let (first, second) = (Simulation.run(seed: seed), Simulation.run(seed: seed))
        #expect(first.traceHash == second.traceHash)
        #expect(first.steps == second.steps)
        #expect(first.traceHash != Simulation.run(seed: seed + 1).traceHash)
    }

    @Test("without faults every request becomes an image, but where its guest is refused")
    func calm() {
        var options = SimulationOptions()
        options.faults = []
        let outcomes = (1...10).map { Simulation.run(seed: $0, options) }
        for outcome in outcomes {
            #expect(outcome.violation == nil)
            #expect(outcome.available + outcome.error == options.images && outcome.rejected == 0)
        }
        // A guest may not boot, wait for a disk, or hold a secret; most do not.
        #expect(outcomes.map(\.available).reduce(0, +) > outcomes.count * options.images / 2)
        #expect(outcomes.contains { $0.available == options.images })
    }
}
