import Testing

@testable import ImageCore

/// Images too large to try everything on, with more faults, and with events that make no sense.
struct RandomSequenceTests {
    static let seedsPerTest: UInt64 = 250

    @Test("Whatever comes in whatever order, the rules hold and the image comes to an end", arguments: 0..<8)
    func randomOrders(_ part: UInt64) throws {
        for seed in part * Self.seedsPerTest..<(part + 1) * Self.seedsPerTest {
            let problem = Self.play(seed)
            try #require(problem == nil, "seed \(seed)")
        }
    }

    private static let terms: [BootTerms?] = [
        nil, BootTerms(.report), BootTerms(.require), BootTerms(.require, unproven: .available),
    ]

    /// Plays one seed to its end.
    private static func play(_ seed: UInt64) -> String? {
        var random = SeededRandom(seed: seed)
        // Most seeds are small and quick; some have the largest image the limits allow.
        let isLarge = seed.isMultiple(of: 8)
        let isPulled = seed.isMultiple(of: 3)
        let budget = World.Budget(
            duplicates: .random(in: 0...6, using: &random),
            failures: .random(in: 0...6, using: &random),
            crashes: .random(in: 0...4, using: &random),
            losses: .random(in: 0...4, using: &random),
            cancels: random.chance(30) ? 1 : 0,
            proofs: .random(in: 0...3, using: &random)
        )
        var world = World(
            disks: isLarge ? 8 : .random(in: 1...3, using: &random),
            locations: isLarge ? 3 : .random(in: 1...(isPulled ? 4 : 2), using: &random),
            pulled: isPulled,
            bootProof: terms.randomElement(using: &random) ?? nil,
            budget: budget
        )
        for _ in 0..<2_000 {
            if let problem = world.problems.first { return problem }
            if world.isAtRest, world.budget.proofs == 0 || world.image.status != .available {
                return world.unfinished.first ?? unreadable(world.image)
            }
            if random.chance(10) { world.apply(nonsense(about: world.image, &random)) }
            let actions = random.chance(30) ? world.plainActions + world.faults : world.plainActions
            // Sets have no order of their own from run to run; a seed must have one.
            let sorted = actions.map { (String(describing: $0), $0) }.sorted { $0.0 < $1.0 }
            guard let action = sorted.randomElement(using: &random)?.1 else { continue }
            world.perform(action)
        }
        return "no end in 2000 steps"
    }

    /// Impossible events: unknown jobs, numbers never given out, outputs of another job.
    private static func nonsense(about image: Image, _ random: inout SeededRandom) -> Event {
        let stranger: [Job] = [
            .dataDisk(Sample.device(64)), .replicate(LocationName(known: "nowhere")),
            .bootProof(LocationName(known: "nowhere")),
            .cleanUp(ResourceID(image: image.id, part: "vda", fence: -1)),
        ]
        let job =
            (stranger + [.stopCheck] + image.plan.captureJobs + image.plan.replicateJobs)
            .randomElement(using: &random) ?? .stopCheck
        let fence = [Int64.min, -1, 0, 1 << 40, .max].randomElement(using: &random) ?? 0
        switch Int.random(in: 0..<6, using: &random) {
        case 0: return .succeeded(job, fence: fence, Sample.output(of: job, fence: fence, image: image))
        case 1: return .failed(job, fence: fence, Sample.failure(.permanent), discarded: random.chance(50))
        case 2: return .interrupted(job, fence: fence, discarded: random.chance(50))
        case 3: return .deadLettered(stranger[0], attempt: 1, Sample.failure(.permanent))
        case 4: return .began(stranger[1], attempt: .max)
        default: return .overdue(alive: Set(stranger), queued: Set(stranger))
        }
    }

    /// An image is stored as text after every event.
    private static func unreadable(_ image: Image) -> String? {
        let bytes = CanonicalJSON.bytes(image)
        guard bytes == CanonicalJSON.encoded(image) else { return "the image is not written as Codable writes it" }
        let read = try? CanonicalJSON.decode(Image.self, from: bytes)
        return read == image ? nil : "the image is not what it was after being stored"
    }
}
