public import ImageCore
import Synchronization

/// What goes wrong in a simulated system, and how slow it is. The same seed gives the same faults.
public struct SimulatedFaults: Sendable {
    public var seed: UInt64
    /// The share of operations that fail with a transient failure, 0 … 1.
    public var transientRate: Double
    /// Disks that can never be captured.
    public var brokenDevices: Set<DeviceName>
    /// Locations that can never be replicated to.
    public var brokenLocations: Set<LocationName>
    /// How long each capture and each replication takes.
    public var delay: Duration
    /// How the guest of a replica starts. Default: well.
    public var bootVerdicts: @Sendable (Resource) -> BootVerdict

    public init(
        seed: UInt64 = 1,
        transientRate: Double = 0,
        brokenDevices: Set<DeviceName> = [],
        brokenLocations: Set<LocationName> = [],
        delay: Duration = .zero,
        bootVerdicts: @escaping @Sendable (Resource) -> BootVerdict = { _ in .proven }
    ) {
        self.seed = seed
        self.transientRate = transientRate
        self.brokenDevices = brokenDevices
        self.brokenLocations = brokenLocations
        self.delay = delay
        self.bootVerdicts = bootVerdicts
    }
}

/// Draws the transient faults. A draw depends on the seed, the operation and how often it was tried, never on what
/// runs beside it: so a run can be repeated though its jobs are concurrent.
final class FaultDice: Sendable {
    private let faults: SimulatedFaults
    private let tries = Mutex<[String: Int]>([:])

    init(_ faults: SimulatedFaults) { self.faults = faults }

    func throwOrPass(_ operation: String) throws(StepFailure) {
        guard faults.transientRate > 0 else { return }
        let attempt = tries.withLock { tries in
            tries[operation, default: 0] += 1
            return tries[operation, default: 0]
        }
        var draw = SampleBytes("\(faults.seed)/\(operation)/\(attempt)")
        guard Double(draw.next() >> 11) / Double(1 << 53) >= faults.transientRate else {
            throw StepFailure(.transient, .unavailable, "A simulated fault hit \(operation), try \(attempt).")
        }
    }
}
