import ImageCore
import ImageDrivers
import ImageStore
import ImageWorker
import Logging
import SQLAccess
import Synchronization

/// All parts of one simulation, and its findings so far.
final class World: Sendable {
    private struct State {
        var violation: Violation?
        var faults: [FaultKind: Int] = [:]
        var isCalm = false
        var late = 0
        var storeClockSetAt: Timestamp?
    }

    let time = ManualTime()
    /// The store's own clock.
    let storeClock: SkewedTime
    let dice: SharedDice
    let broker: FakeBroker
    /// As no host sees it.
    let driver: SimulatedDriver
    /// Those that instances and locations are on.
    let hosts: [HostName]
    /// The store as the checks see it: nothing comes between.
    let store: any ImageStore
    let trace: Trace
    let options: SimulationOptions
    private let seed: UInt64
    let monitor = EffectMonitor()
    private let state = Mutex(State())

    init(seed: UInt64, options: SimulationOptions, dice: SharedDice, echo: (@Sendable (String) -> Void)?) async throws {
        self.options = options
        self.seed = seed
        self.dice = dice
        let time = time
        trace = Trace(start: time.now(), echo: echo)
        let hosts = Self.hosts(seed)
        self.hosts = hosts
        broker = FakeBroker(time: time, lanes: LaneList(hosts: hosts))
        storeClock = SkewedTime(time)
        store = try await SQLImageStore(on: try SQLiteMemory(), clock: storeClock)
        var faults = SimulatedFaults(seed: seed)
        // Work always takes a while: what comes in its midst, a cancellation above all, would else always be too late.
        faults.delay = .seconds(1 + dice.number(below: 6))
        if options.faults.contains(.slow), dice.number(below: 3) == 0 { faults.delay = .seconds(20) }
        if options.faults.contains(.location), dice.number(below: 4) == 0 {
            faults.brokenLocations = [LocationName(known: "west")]
        }
        // A second start of a replica, by any worker, shows the same. Where many are proven, they differ.
        let tellsReplicasApart = Self.wantsProofs(seed, options)
        faults.bootVerdicts = { replica in
            let text = tellsReplicasApart ? replica.id.text : replica.imageID.text
            let sum = text.utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
            switch sum >> 40 & 3 {
            case 0: return .failed
            case 1: return .notProven
            default: return .proven
            }
        }
        let pulling = Self.pullingLocations(hosts)
        driver = SimulatedDriver(
            locations: Set(["east", "west"].map { LocationName(known: $0) }).union(pulling.keys).sorted(),
            locationHosts: pulling,
            hosts: hosts,
            faults: faults,
            pause: { try await time.sleep(for: $0) }
        )
        if !faults.brokenLocations.isEmpty { count(.location) }
    }

    /// Every third seed has some, and every sixth enough for one to pull from another that has pulled.
    private static func hosts(_ seed: UInt64) -> [HostName] {
        let count = seed % 3 != 0 ? 0 : seed % 6 == 0 ? 4 : 2
        return (0..<count).map { HostName(known: "h\($0 + 1)") }
    }

    /// The locations of one host each, which pulls what is captured elsewhere.
    private static func pullingLocations(_ hosts: [HostName]) -> [LocationName: HostName] {
        let names = ["north", "south", "up", "west"].map { LocationName(known: $0) }
        return Dictionary(uniqueKeysWithValues: zip(names, hosts).suffix(hosts.count > 2 ? 4 : 0))
            .merging(hosts.last.map { [LocationName(known: "west"): $0] } ?? [:]) { $1 }
    }

    /// Where instances and workers are, in turns: each host, and none.
    func place(_ number: Int) -> HostName? {
        let places: [HostName?] = hosts + [nil]
        return places[number % places.count]
    }

    /// What a request asks for: by turns every mode, so that other seeds' chances stay what they were.
    func bootProof(_ number: Int) -> BootProof? {
        let modes: [BootProof?] = [nil, .report, .require, .require]
        return modes[(Int(seed % 4) + number) % modes.count]
    }

    /// What a request asks to be removed, and to be looked for: by turns, too.
    func guestWork(_ number: Int) -> (seal: [SealItem]?, scan: SecretScan?) {
        let seals: [[SealItem]?] = [nil, [.machineID, .sshHostKeys], nil, SealItem.allCases]
        let scans: [SecretScan?] = [nil, .refuse, .report]
        let turn = Int(seed % 12) + number
        return (seals[turn % seals.count], scans[turn % scans.count])
    }

    /// What a request says of a guest that may not start: mostly the default.
    func guestChecks(_ number: Int) -> GuestChecks {
        let turns: [GuestChecks] = [.warn, .fix, .warn, .enforce, .off]
        return turns[(Int(seed % 7) + number) % turns.count]
    }

    /// The guest of one instance. In every fifth seed a key lies in its files; in others it waits for a disk.
    func guest(_ number: Int) -> GuestFacts? {
        guard number == 0 else { return nil }
        switch seed % 5 {
        case 0: return guest(with: "-----BEGIN PRIVATE KEY-----\n", in: "/root/.ssh/id")
        case 1: return guest(with: "/dev/vdz /srv ext4 rw 0 2\n", in: GuestFacts.fstabPath)
        default: return nil
        }
    }

    func guest(of instance: InstanceID) -> GuestFacts? { instance == Scenario.instance(0) ? guest(0) : nil }

    private func guest(with text: String, in path: String) -> GuestFacts {
        GuestFacts(
            volumes: [.init(device: "/dev/sda1", uuid: "1111")],
            systems: [.init(root: "/dev/sda1", files: [path: .bytes(Array(text.utf8))])]
        )
    }

    /// Whether owners want proofs of what is Available: in every fifth seed, so that other seeds' chances stay what they
    /// were.
    var wantsProofs: Bool { Self.wantsProofs(seed, options) }

    private static func wantsProofs(_ seed: UInt64, _ options: SimulationOptions) -> Bool {
        seed % 5 == 0 && options.faults.contains(.command)
    }

    /// What there is on all hosts.
    func inventory() async throws(StepFailure) -> [Resource] {
        var found: [Resource] = []
        let places: [HostName?] = [nil] + hosts
        for host in places { found += try await driver.seen(from: host).inventory().filter { $0.host == host } }
        return found
    }

    var violation: Violation? { state.withLock { $0.violation } }
    /// How often each fault has struck.
    var faults: [FaultKind: Int] { state.withLock { $0.faults } }
    /// Whether faults have stopped.
    var isCalm: Bool { state.withLock { $0.isCalm } }

    func calm() {
        state.withLock { $0.isCalm = true }
        note("no more faults")
    }

    func note(_ text: String) { trace.note(text, at: time.now()) }

    /// The first violation is the one that counts: what follows it is often its consequence.
    func violate(_ invariant: Invariant, _ what: String) {
        note("VIOLATED \(invariant.rawValue): \(what)")
        state.withLock { state in
            if state.violation == nil { state.violation = Violation(invariant: invariant, details: what) }
        }
    }

    private func count(_ fault: FaultKind) { state.withLock { $0.faults[fault, default: 0] += 1 } }

    /// Whether a fault strikes now, which it does once in `rarity` times while there are faults.
    func strikes(_ fault: FaultKind, onceIn rarity: Int) -> Bool {
        guard options.faults.contains(fault), !isCalm, dice.number(below: rarity) == 0 else { return false }
        count(fault)
        return true
    }

    /// The store's own clock is set, forward or back.
    func setStoreClock() {
        let error = clockError()
        note("the store's clock is \(error) ahead")
        storeClock.set(ahead: error)
        state.withLock { $0.storeClockSetAt = time.now() }
    }

    /// Whether workers may not have seen yet that the store's clock was set: until then their leases mean nothing to
    /// others. A worker that stood still meanwhile sees it when it goes on.
    var isClockUnsettled: Bool {
        let unsettled = WorkerPool.longestPause + .seconds(60)
        return state.withLock { $0.storeClockSetAt.map { time.now() - $0 < unsettled } ?? false }
    }

    /// How a clock goes wrong: by minutes, or by days, ahead or behind.
    func clockError() -> Duration {
        let size = Duration.seconds(60 + dice.number(below: dice.number(below: 2) == 0 ? 7200 : 3 * 86_400))
        return dice.number(below: 2) == 0 ? size : .zero - size
    }

    /// Lets other tasks come first. Not `Task.yield`: its job passes the runtime's hook by.
    func letOthers() async { await Task {}.value }

    /// Messages the broker has and does not hand out yet.
    var late: Int { state.withLock { $0.late } }

    func deliverLate(_ message: OutgoingMessage) {
        state.withLock { $0.late += 1 }
        Task {
            await sleep(upTo: 60)
            _ = await broker.publish([message])
            state.withLock { $0.late -= 1 }
        }
    }

    func sleep(upTo seconds: Int) async {
        try? await time.sleep(for: .milliseconds(1 + dice.number(below: seconds * 1000)))
    }
}

/// What must hold, by the name that a failing seed is reported with.
public enum Invariant: String, Codable, Sendable {
    case oneEnd = "one end for each request"
    case answers = "every answer is the first answer"
    case noOrphans = "no resource without an owner"
    case nothingElse = "nothing else is touched"
    case adopted = "what is adopted is whole and made by the fence that holds"
    case proven = "an image that must boot is Available only when it has booted"
    case guestChecked = "an image says what its guest's files would do, and is not Available where that was to end it"
    case sealed = "an image is sealed as requested, and free of secrets that it refuses"
    case complete = "an available image has all its captures and replicas"
    case cleaned = "a cleaned image has left nothing"
    case deadLetters = "an image that a job put in Error has a dead letter"
    case references = "both sides of a conversion know of each other"
    case shares = "owners find what is shared with them, and nothing else"
    case quota = "quota used is the sum of the images'"
    case locks = "locks are balanced"
    case idleLocks = "nobody waits for what nobody has"
    case attempts = "attempts are within their limits"
    case journal = "the journal has no gaps and every line is published"
    case outbox = "the outbox is empty in the end"
    case liveness = "everything comes to an end once faults stop"
    case ledgerFirst = "what is made is in the ledger before"
    case ownHost = "work is done on the host that has the files"
    case verifiedSource = "a replica is copied from captures or a verified replica"
    case oneWorker = "one worker at a time works on a job"
    case reemit = "a duplicate sends its follow-ups again"
}

public struct Violation: Codable, Sendable, Equatable {
    public var invariant: Invariant
    public var details: String
}
