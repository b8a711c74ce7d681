import Testing

@testable import ImageCore

/// Several images of one instance: the one that releases it names the next.
struct LockLineTests {
    @Test(
        "Whatever happens in whatever order, the next in line goes on at once, and nobody overtakes",
        arguments: [
            InstanceWorld.Budget(images: 3, strays: 1), .init(images: 3, failures: 1), .init(images: 3, cancels: 1),
            .init(images: 2, failures: 1, cancels: 1, retries: 1), .init(images: 2, cancels: 2, strays: 1),
            .init(images: 4),
        ]
    )
    func everyOrder(_ budget: InstanceWorld.Budget) {
        var pending = [InstanceWorld(budget: budget)]
        var seen: Set<InstanceWorld.Key> = [pending[0].key]
        while let world = pending.popLast() {
            for action in world.actions {
                var next = world
                next.perform(action)
                if let problem = next.problem {
                    let story = next.path.map { "\($0)" }.joined(separator: "\n")
                    return #expect(Bool(false), "\(problem)\nafter:\n\(story)")
                }
                if seen.insert(next.key).inserted { pending.append(next) }
            }
        }
        #expect(seen.count > 50, "little was explored")
    }

    @Test("The first has the locks, or may take them; the others wait for it")
    func obstacles() {
        let (a, b, c) = (ImageID(known: "img-a"), ImageID(known: "img-b"), ImageID(known: "img-c"))
        let free = LockLine(waiting: [a, b])
        #expect(free.obstacle(for: a) == nil && free.obstacle(for: b) == a && free.next == a)
        let held = LockLine(holder: c, waiting: [a, b])
        #expect(held.obstacle(for: c) == nil && held.obstacle(for: a) == c && held.next == nil)
        #expect(held.without(c).next == a && held.without(a).next == nil && held.without(c).without(a).next == b)
        #expect(LockLine().obstacle(for: a) == nil && LockLine().next == nil)
    }

    @Test("The next in line takes the locks when it begins; another one gets a place, and says for whom it waits")
    func begins() {
        let (a, b) = (ImageID(known: "img-a"), Sample.imageID)
        let begin = { (line: LockLine) in
            var play = Play()
            return play.apply(.began(.stopCheck, attempt: 1, lockLine: line))
        }
        #expect(begin(LockLine(waiting: [b, a])).first == .takeLocks)
        #expect(begin(LockLine()).first == .takeLocks, "an older version has given it no place")
        #expect(!begin(LockLine(holder: b, waiting: [a])).contains(.takeLocks), "it has them")
        for (line, hasPlace) in [
            (LockLine(holder: a, waiting: [b]), true), (LockLine(waiting: [a, b]), true), (LockLine(holder: a), false),
        ] {
            let effects = begin(line)
            #expect(!effects.contains(.takeLocks) && effects.contains(.joinLine) == !hasPlace)
            #expect(effects.messages == [.enqueue(.stopCheck, attempt: 1, after: .seconds30)])
            #expect(
                effects.compactMap(\.line?.reason) == ["instance i-web1 is held by the making of image img-a"]
            )
        }
        var play = Play()
        #expect(play.image.needsLocks(for: .stopCheck) && !play.image.needsLocks(for: .systemDisk))
        play.run(.stopCheck)
        #expect(!play.image.needsLocks(for: .stopCheck) && !play.image.needsLocks(for: .systemDisk))
    }

    @Test("Only who waits for its turn is woken: at once, under the same attempt, and it waits no longer")
    func unlocked() {
        var play = Play()
        #expect(play.apply(.unlocked).isEmpty, "its first message is on its way")
        play.findHeld()
        #expect(play.image.waitsForItsTurn)
        #expect(play.apply(.unlocked) == [.enqueue(.stopCheck, attempt: 1, after: nil)])
        #expect(!play.image.waitsForItsTurn && play.image.jobs[.stopCheck]?.dueAt == Sample.now)
        #expect(play.apply(.unlocked).isEmpty)
        play.run(.stopCheck, failing: .throttled)
        #expect(play.apply(.unlocked).isEmpty, "it has the locks, and waits for something else")
    }
}

/// One instance, the requested images, and the line as a store keeps it. Messages in the retry queues never come back,
/// so only woken images go on; a stray copy may come at any time.
struct InstanceWorld {
    struct Budget: Hashable {
        var images: Int
        var failures = 0
        var cancels = 0
        var retries = 0
        var strays = 0
    }

    struct Message: Hashable {
        var image: Int
        var job: Job
        var attempt: Int
        var isDeadLetter = false
    }

    struct Attempt: Hashable {
        var image: Int
        var job: Job
        var fence: Int64
    }

    enum Action: Hashable {
        case ask
        case deliver(Message)
        case succeed(Attempt)
        case fail(Attempt)
        case cancel(Int)
        case retry(Int)
        case stray(Int)
    }

    private var images: [Image] = []
    /// Numbers of images, in the order in which they asked.
    private var asked: [Int] = []
    private var line = LockLine()
    private var messages: Set<Message> = []
    private var running: Set<Attempt> = []
    private var budget: Budget
    private var usage = QuotaUsage(owner: Sample.owner, used: .none, limits: QuotaLimits(images: 4, snapshots: 0))
    private(set) var problem: String?
    private(set) var path: [Action] = []
    private let context = TransitionContext(now: Sample.now)

    init(budget: Budget) { self.budget = budget }

    var actions: [Action] {
        var actions = messages.map(Action.deliver) + running.map(Action.succeed)
        if images.count < budget.images { actions.append(.ask) }
        if budget.failures > 0 { actions += running.map(Action.fail) }
        for (number, image) in images.enumerated() {
            if budget.cancels > 0, !image.status.isEnd { actions.append(.cancel(number)) }
            if budget.retries > 0, image.status == .error { actions.append(.retry(number)) }
            if budget.strays > 0 { actions.append(.stray(number)) }
        }
        return actions
    }

    mutating func perform(_ action: Action) {
        path.append(action)
        switch action {
        case .ask:
            let id = ImageID(known: "img-\(images.count)")
            let request = RequestIdentity(owner: Sample.owner, requestID: RequestID(known: id.text))
            let label = Sample.request.label
            let new = Image.accepted(request, label: label, as: id, plan: Sample.plan(), in: context)
            reserve(new.image.plan.quota)
            images.append(new.image)
            take(new.effects, of: images.count - 1)
        case .deliver(let message):
            messages.remove(message)
            if message.isDeadLetter {
                let failure = Sample.failure(.permanent)
                apply(.deadLettered(message.job, attempt: message.attempt, failure), to: message.image)
            } else {
                begin(message)
            }
        case .succeed(let attempt):
            running.remove(attempt)
            let output = Sample.output(of: attempt.job, fence: attempt.fence, image: images[attempt.image])
            apply(.succeeded(attempt.job, fence: attempt.fence, output), to: attempt.image)
        case .fail(let attempt):
            budget.failures -= 1
            running.remove(attempt)
            let failure = Sample.failure(.permanent)
            apply(.failed(attempt.job, fence: attempt.fence, failure, discarded: true), to: attempt.image)
        case .cancel(let number):
            budget.cancels -= 1
            apply(.cancelled, to: number)
        case .retry(let number):
            budget.retries -= 1
            for case .quota(let use) in ImageCommand.retry.needs(of: images[number]) { reserve(use) }
            apply(.retried, to: number)
        case .stray(let number):
            budget.strays -= 1
            begin(Message(image: number, job: .stopCheck, attempt: 1))
        }
        check()
    }

    private mutating func reserve(_ use: QuotaUse) {
        switch usage.reserving(use) {
        case .success(let reserved): usage = reserved
        case .failure(let refusal): problem = "\(use) is refused: \(refusal.message)"
        }
    }

    /// As a store does it: a job with a live lease is busy, and its message comes again.
    private mutating func begin(_ message: Message) {
        let (number, job) = (message.image, message.job)
        let image = images[number]
        let isBusy = running.contains { $0.image == number && $0.job == job }
        if isBusy, image.jobs[job]?.phase == .waiting {
            messages.insert(message)
            return
        }
        let lockLine = image.needsLocks(for: job) ? line : nil
        apply(.began(job, attempt: message.attempt, lockLine: lockLine), to: number)
        guard images[number].fence > image.fence else { return }
        running.insert(Attempt(image: number, job: job, fence: images[number].fence))
        if line.holder != image.id { problem = "image \(number) begins \(job) without the locks" }
    }

    private mutating func apply(_ event: Event, to number: Int) {
        take(images[number].apply(event, in: context).effects, of: number)
    }

    private mutating func take(_ effects: [Effect], of number: Int) {
        for effect in effects {
            switch effect {
            case .enqueue(let job, let attempt, after: nil):
                // What comes after the captures has nothing to do with the locks.
                guard job.step != .replicate, job.step != .cleanUp else { continue }
                messages.insert(Message(image: number, job: job, attempt: attempt))
            case .deadLetter(let job, let attempt, _):
                messages.insert(Message(image: number, job: job, attempt: attempt, isDeadLetter: true))
            case .joinLine:
                line = LockLine(holder: line.holder, waiting: line.waiting + [images[number].id])
                asked.append(number)
            case .takeLocks:
                let image = images[number].id
                if let holder = line.holder { problem = "image \(number) takes the locks of \(holder)" }
                if asked.first != number { problem = "image \(number) overtakes image \(asked.first ?? -1)" }
                line = LockLine(holder: image, waiting: line.without(image).waiting)
                asked.removeAll { $0 == number }
            case .releaseLocks:
                line = line.without(images[number].id)
                asked.removeAll { $0 == number }
                guard let next = images.firstIndex(where: { $0.id == line.next }) else { continue }
                apply(.unlocked, to: next)
            case .releaseQuota(let use):
                usage.used.images -= use.images
                usage.used.snapshots -= use.snapshots
            case .enqueue, .park, .announce, .indexShares, .recordDeadLetter, .tell: break
            }
        }
    }

    private mutating func check() {
        for (number, image) in images.enumerated() {
            if image.waitsForItsTurn, line.obstacle(for: image.id) == nil {
                problem = "image \(number) waits for free locks"
            }
            let isPending = image.status == .pending
            let stands = line.holder == image.id || line.waiting.contains(image.id)
            if isPending != stands { problem = "image \(number) is \(image.status), in the line: \(stands)" }
        }
        let held = images.map(\.quota).reduce(QuotaUse.none, +)
        if usage.used != held { problem = "\(usage.used) is taken, and the images hold \(held)" }
        let isAtRest = messages.isEmpty && running.isEmpty && images.count == budget.images
        if isAtRest, images.contains(where: { $0.status == .pending }) { problem = "somebody is forgotten" }
    }

    // MARK: Telling states apart

    struct Key: Hashable {
        struct ImageKey: Hashable {
            var status: ImageStatus
            var jobs: [Job: String]
            var ledger: [String]
        }

        var images: [ImageKey]
        var asked: [Int]
        var holder: ImageID?
        var messages: Set<Message>
        var running: Set<Attempt>
        var budget: Budget
    }

    var key: Key {
        Key(
            images: images.map { image in
                .init(
                    status: image.status,
                    jobs: image.jobs.mapValues { "\($0.phase) \($0.attempt) \($0.fence) \($0.waiting != nil)" },
                    ledger: image.ledger.map { "\($0.resource.id) \($0.isAdopted)" }
                )
            },
            asked: asked,
            holder: line.holder,
            messages: messages,
            running: running,
            budget: budget
        )
    }
}
