import Testing

@testable import ImageCore

/// Every order of everything that can happen to small images, up to a number of faults.
struct ExplorationTests {
    struct Case: CustomTestStringConvertible {
        var disks: Int
        var locations: Int
        /// By hosts of their own.
        var pulled = false
        var bootProof: BootTerms?
        var budget: World.Budget
        var testDescription: String {
            "\(disks) disks, \(locations) locations\(pulled ? " of hosts" : ""), proof \(bootProof?.mode.rawValue ?? "off"), \(budget)"
        }
    }

    static let cases: [Case] = [
        // Several kinds of faults together where the image is small, fewer where it is large. All four together on the
        // smallest hold too (139,104 states), but take a minute.
        Case(disks: 1, locations: 1, budget: .init(failures: 2, losses: 1)),
        Case(disks: 1, locations: 1, budget: .init(duplicates: 1, failures: 1, cancels: 1)),
        Case(disks: 1, locations: 1, budget: .init(duplicates: 1, crashes: 1, cancels: 1)),
        Case(disks: 1, locations: 1, budget: .init(failures: 1, crashes: 1, cancels: 1)),
        Case(disks: 1, locations: 2, budget: .init(duplicates: 1)),
        Case(disks: 1, locations: 2, budget: .init(failures: 1, cancels: 1)),
        Case(disks: 1, locations: 2, budget: .init(crashes: 1)),
        Case(disks: 2, locations: 1, budget: .init(duplicates: 1)),
        Case(disks: 2, locations: 1, budget: .init(crashes: 1)),
        Case(disks: 2, locations: 2, budget: .init(duplicates: 1)),
        Case(disks: 2, locations: 2, budget: .init(crashes: 1)),
        Case(disks: 2, locations: 2, budget: .init(failures: 1, cancels: 1)),
        Case(disks: 3, locations: 1, budget: .init(failures: 1, cancels: 1)),
        Case(disks: 3, locations: 1, budget: .init(crashes: 1)),
        Case(disks: 3, locations: 2, budget: .init()),
        Case(disks: 3, locations: 2, budget: .init(losses: 2)),
        Case(disks: 3, locations: 2, budget: .init(failures: 1, cancels: 1)),
        Case(disks: 1, locations: 1, bootProof: BootTerms(.require), budget: .init(duplicates: 1, failures: 1)),
        Case(disks: 1, locations: 1, bootProof: BootTerms(.require), budget: .init(failures: 2, losses: 1)),
        Case(disks: 1, locations: 2, bootProof: BootTerms(.require), budget: .init(failures: 1, cancels: 1)),
        Case(disks: 1, locations: 2, bootProof: BootTerms(.require), budget: .init(crashes: 1)),
        Case(
            disks: 1,
            locations: 2,
            bootProof: BootTerms(.require, unproven: .available),
            budget: .init(duplicates: 1, failures: 1)
        ),
        Case(disks: 1, locations: 1, bootProof: BootTerms(.report), budget: .init(duplicates: 1, failures: 1)),
        Case(disks: 1, locations: 2, bootProof: BootTerms(.report), budget: .init(failures: 1, cancels: 1)),
        Case(disks: 1, locations: 2, bootProof: BootTerms(.report), budget: .init(crashes: 1)),
        Case(disks: 1, locations: 1, budget: .init(duplicates: 1, failures: 1, proofs: 1)),
        Case(disks: 1, locations: 1, budget: .init(crashes: 1, proofs: 2)),
        Case(disks: 1, locations: 3, pulled: true, budget: .init(duplicates: 1)),
        Case(disks: 1, locations: 3, pulled: true, budget: .init(crashes: 1)),
        Case(disks: 1, locations: 3, pulled: true, budget: .init(losses: 1)),
        Case(disks: 1, locations: 3, pulled: true, budget: .init(failures: 1, cancels: 1)),
        Case(disks: 1, locations: 4, pulled: true, budget: .init(failures: 1)),
        Case(disks: 1, locations: 1, bootProof: BootTerms(.report), budget: .init(duplicates: 1, proofs: 2)),
        Case(disks: 1, locations: 1, bootProof: BootTerms(.report), budget: .init(failures: 1, losses: 1, proofs: 1)),
        Case(disks: 1, locations: 2, bootProof: BootTerms(.require), budget: .init(failures: 1, proofs: 1)),
        Case(disks: 1, locations: 1, bootProof: BootTerms(.require), budget: .init(crashes: 1, proofs: 2)),
    ]

    @Test("In every order of messages and faults, the rules hold and exactly one end is reached", arguments: cases)
    func everyOrder(_ example: Case) {
        let start = World(
            disks: example.disks,
            locations: example.locations,
            pulled: example.pulled,
            bootProof: example.bootProof,
            budget: example.budget
        )
        var exploration = Exploration(from: start)
        let outcome = exploration.run()
        #expect(outcome.problem == nil)
        #expect(outcome.ends.contains(.available), "an image can succeed")
        let canFail = example.budget.failures + example.budget.cancels > 0
        #expect(outcome.ends.contains(.error) == canFail, "only a failure or its owner puts an image in Error")
    }
}

/// A memoised search through everything that can happen.
struct Exploration {
    struct Outcome {
        var states = 0
        var transitions = 0
        var ends: Set<ImageStatus> = []
        var problem: String?
    }

    private var seen: [World.Key: Int] = [:]
    /// The state a state leads to when nothing more goes wrong; itself when it is at rest.
    private var plainSuccessor: [Int] = []
    private var pending: [(world: World, path: [World.Action])] = []
    private var outcome = Outcome()

    init(from start: World) {
        _ = number(of: start, path: [])
    }

    mutating func run() -> Outcome {
        while let (world, path) = pending.popLast(), outcome.problem == nil {
            explore(world, path)
        }
        outcome.states = seen.count
        if outcome.problem == nil { checkLiveness() }
        return outcome
    }

    private mutating func explore(_ world: World, _ path: [World.Action]) {
        let current = number(of: world, path: path)
        if world.isAtRest {
            plainSuccessor[current] = current
            outcome.ends.insert(world.image.status)
            note(world.unfinished, path)
        }
        let plain = world.plainActions
        for (index, action) in (plain + world.faults).enumerated() {
            var next = world
            next.perform(action)
            outcome.transitions += 1
            note(next.problems, path + [action])
            let successor = number(of: next, path: path + [action])
            if index == 0, !plain.isEmpty { plainSuccessor[current] = successor }
        }
    }

    private mutating func number(of world: World, path: [World.Action]) -> Int {
        let key = world.key
        if let known = seen[key] { return known }
        let number = seen.count
        seen[key] = number
        plainSuccessor.append(-1)
        pending.append((world, path))
        return number
    }

    private mutating func note(_ problems: [String], _ path: [World.Action]) {
        guard let first = problems.first, outcome.problem == nil else { return }
        outcome.problem = "\(first)\nafter:\n" + path.map { "  \($0)" }.joined(separator: "\n")
    }

    /// From every state, going on without faults must come to rest: no state may lead round in a circle or nowhere.
    private mutating func checkLiveness() {
        var rests = [Bool?](repeating: nil, count: plainSuccessor.count)
        for start in plainSuccessor.indices where rests[start] == nil {
            var trail: [Int] = []
            var visited: Set<Int> = []
            var state = start
            while state >= 0, rests[state] == nil, visited.insert(state).inserted {
                trail.append(state)
                if plainSuccessor[state] == state { break }
                state = plainSuccessor[state]
            }
            let comesToRest = state >= 0 && (rests[state] ?? (plainSuccessor[state] == state))
            for passed in trail { rests[passed] = comesToRest }
            if !comesToRest { outcome.problem = "there is a state from which no end is reached" }
        }
    }
}
