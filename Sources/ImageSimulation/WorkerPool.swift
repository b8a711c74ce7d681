import ImageCore
import ImageWorker
import Synchronization

/// The workers of a simulation: a dead one is replaced after a while.
final class WorkerPool: Sendable {
    private struct State {
        var processes: [SimulatedProcess] = []
        var lastNumber = 0
        var isDismissed = false
    }

    /// Deliveries a worker may hold of one queue.
    private static let prefetch = 2

    private let world: World
    private let state = Mutex(State())

    init(world: World) { self.world = world }

    var present: [SimulatedProcess] { state.withLock { $0.processes }.filter { !$0.isGone } }

    func hire(on host: HostName?) {
        guard !state.withLock({ $0.isDismissed }) else { return }
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        let dies = world.strikes(.crash, onceIn: 2)
        let process = SimulatedProcess(
            "w\(number)",
            on: host,
            dyingAt: dies ? 1 + world.dice.number(below: world.dice.number(below: 2) == 0 ? 60 : 600) : nil,
            in: world
        )
        state.withLock { $0.processes.append(process) }
        process.start()
    }

    /// Hands one message to one worker that has room for it.
    func deliverOne() -> Bool {
        let open = present.filter(\.isOpen)
        var choices: [(SimulatedProcess, Lane)] = []
        for lane in world.broker.busyLanes {
            for process in open
            where process.serves(lane) && world.broker.held(lane, by: process.name) < Self.prefetch {
                choices.append((process, lane))
            }
        }
        guard !choices.isEmpty else { return false }
        let (process, lane) = choices[world.dice.number(below: choices.count)]
        guard let delivery = world.broker.take(lane, by: process.name) else { return false }
        process.deliver(delivery, from: lane)
        return true
    }

    /// What becomes of those that died: their connections end, and others take their places.
    func buryDead() {
        for process in present where process.plan.isDead {
            world.note("\(process.name) died at \(process.plan.story)")
            process.end()
            replace(process)
        }
    }

    func drainOne() async {
        guard let process = present.filter(\.isOpen).randomElement(world.dice) else { return }
        replace(process)
        await process.drain()
    }

    /// Longer than a lease. The broker misses its heartbeats and hands what it held to others.
    /// How long a worker stands still at most.
    static let longestPause = Duration.seconds(215)

    func pauseOne() async {
        guard let process = present.filter(\.isOpen).randomElement(world.dice) else { return }
        process.pause(for: .seconds(16 + world.dice.number(below: 200)))
        try? await world.time.sleep(for: .seconds(5 + world.dice.number(below: 10)))
        world.broker.lose(process.name)
    }

    func setClockOfOne() { present.randomElement(world.dice)?.setClock() }

    func cutOne() {
        guard let process = present.filter(\.isOpen).randomElement(world.dice) else { return }
        world.note("\(process.name) loses its connection")
        world.broker.lose(process.name)
    }

    func dismiss() {
        state.withLock { $0.isDismissed = true }
        for process in state.withLock({ $0.processes }) { process.end() }
    }

    private func replace(_ process: SimulatedProcess) {
        Task {
            await world.sleep(upTo: 20)
            hire(on: process.host)
        }
    }
}

extension Array {
    func randomElement(_ dice: SharedDice) -> Element? { isEmpty ? nil : self[dice.number(below: count)] }
}
