@testable import ImageCore

/// Plays the life of one image after it is made.
struct Life {
    var image: Image
    var context = TransitionContext(now: Sample.now, actor: "w1")
    var told: [(ImageID, Event)] = []
    var released = QuotaUse.none
    var lines: [Announcement] = []
    /// The owners that find the image among those shared with them, as a store keeps it.
    var index: Set<Owner> = []

    init(disks: Int = 3, locations: Int = 1, systemDisk: DiskKind = .local, bootProof: BootTerms? = nil) {
        self.init(
            plan: Sample.plan(disks: disks, locations: locations, systemDisk: systemDisk, bootProof: bootProof)
        )
    }

    init(plan: Plan) {
        (image, _) = Image.accepted(
            Sample.request.identity,
            label: Sample.request.label,
            as: Sample.imageID,
            plan: plan,
            in: TransitionContext(now: Sample.now)
        )
    }

    /// A converted image on its way from `source`.
    init(converting source: Image, as id: String = "img-2") {
        let (image, effects) = Image.accepted(
            RequestIdentity(owner: source.owner, requestID: RequestID(known: "r-\(id)")),
            label: .init(name: "cloud", details: "", labels: [:]),
            as: ImageID(known: id),
            plan: Plan.converting(source) ?? source.plan,
            in: TransitionContext(now: Sample.now)
        )
        self.image = image
        take(effects)
    }

    static func available(
        disks: Int = 3,
        locations: Int = 1,
        systemDisk: DiskKind = .local,
        bootProof: BootTerms? = nil
    ) -> Life {
        var life = Life(disks: disks, locations: locations, systemDisk: systemDisk, bootProof: bootProof)
        life.runToItsEnd()
        return life
    }

    @discardableResult
    mutating func apply(_ event: Event) -> Transition {
        let transition = image.apply(event, in: context)
        take(transition.effects)
        return transition
    }

    private mutating func take(_ effects: [Effect]) {
        for effect in effects {
            switch effect {
            case .tell(let image, let event): told.append((image, event))
            case .releaseQuota(let use): released = released + use
            case .announce(let line): lines.append(line)
            case .indexShares(let owners): index = Set(owners)
            case .enqueue, .deadLetter, .park, .joinLine, .takeLocks, .releaseLocks, .recordDeadLetter: break
            }
        }
    }

    /// Begins the attempt a job is at, and ends it well.
    mutating func run(_ job: Job) {
        apply(.began(job, attempt: image.jobs[job]?.attempt ?? 1))
        let fence = image.fence
        apply(.succeeded(job, fence: fence, Sample.output(of: job, fence: fence, image: image)))
    }

    /// Lets a job fail for good, and its dead letter arrive.
    mutating func kill(_ job: Job) {
        let attempt = image.jobs[job]?.attempt ?? 1
        apply(.began(job, attempt: attempt))
        apply(.failed(job, fence: image.fence, Sample.failure(.permanent), discarded: true))
        apply(.deadLettered(job, attempt: attempt, Sample.failure(.permanent)))
    }

    var open: [Job] { image.jobs.filter { $0.value.phase == .waiting }.keys.sorted() }

    mutating func runToItsEnd() {
        while let job = open.first { run(job) }
    }

    func refusal(_ command: ImageCommand) -> Rejection? { image.refusal(of: command, by: image.owner) }

    func launch(_ id: String, by owner: Owner? = nil) -> Launch {
        Launch(
            instanceID: InstanceID(known: id),
            owner: owner ?? image.owner,
            requestID: RequestID(known: "r-\(id)"),
            location: Sample.locations[0],
            disks: []
        )
    }

    /// A command for each operation that concerns an existing image.
    static func command(_ operation: Operation, of image: Image, by owner: String) -> ImageCommand? {
        switch operation {
        case .create: nil
        case .describe: .describe
        case .cancel: .cancel
        case .retry: .retry
        case .delete: .delete(snapshots: false, gone: [])
        case .share: .share([Owner(known: "acct-5")])
        case .unshare: .unshare([Owner(known: "acct-5")])
        case .convert: .convert(ImageID(known: "img-2"))
        case .prove: .prove(Sample.locations[0])
        case .launch:
            .launch(
                Launch(
                    instanceID: InstanceID(known: "i-new"),
                    owner: Owner(known: owner),
                    requestID: RequestID(known: "r-new"),
                    location: Sample.locations[0],
                    disks: []
                )
            )
        }
    }
}
