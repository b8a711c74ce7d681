import ImageCore
import SQLAccess

/// The statements of one transaction, in the domain's words.
struct StoreTransaction {
    let connection: any SQLConnection
    private let decoded: DecodedImages
    private let clock: (any Timekeeper)?

    init(_ connection: any SQLConnection, _ decoded: DecodedImages, _ clock: (any Timekeeper)?) {
        self.connection = connection
        self.decoded = decoded
        self.clock = clock
    }

    /// By the store's clock.
    func time() throws(SQLError) -> Timestamp {
        if let clock { return clock.now() }
        guard let row = try connection.query("SELECT \(connection.nowExpression) AS now").first else {
            throw SQLError(.unreadable, "the database does not say what time it is")
        }
        return Timestamp(microseconds: try row.integer("now"))
    }

    // MARK: Images

    private static let imageState = "SELECT state FROM images WHERE id = $1"

    func image(_ id: ImageID) throws(SQLError) -> Image? {
        try image(id, in: try connection.query(Self.imageState, [.text(id.text)]))
    }

    /// An image that no other transaction moves meanwhile. Call it before anything else that belongs to the image:
    /// locking rows in one global order prevents deadlocks.
    func imageToChange(_ id: ImageID) throws(SQLError) -> Image? {
        try image(id, in: try connection.queryForUpdate(Self.imageState, [.text(id.text)]))
    }

    private func image(_ id: ImageID, in rows: [SQLRow]) throws(SQLError) -> Image? {
        guard let row = rows.first else { return nil }
        let text = try row.text("state")
        if let known = decoded.image(id, as: text) { return known }
        return try decode(Image.self, text, "image \(id)")
    }

    func insert(_ image: Image) throws(SQLError) {
        let text = CanonicalJSON.text(image)
        decoded.remember(image, as: text)
        try connection.execute(
            "INSERT INTO images (id, owner, status, created_at, wake_at, state) VALUES ($1, $2, $3, $4, $5, $6)",
            [
                .text(image.id.text), .text(image.owner.text), .text(image.status.rawValue),
                .integer(image.createdAt.microseconds), SQLValue(image.wakeAt?.microseconds),
                .text(text),
            ]
        )
    }

    func update(_ image: Image) throws(SQLError) {
        let text = CanonicalJSON.text(image)
        decoded.remember(image, as: text)
        try connection.execute(Self.imageUpdate, Self.columns(of: image, as: text))
    }

    /// - Returns: whether the image stood there as `old`; else nothing has happened.
    private func update(_ image: Image, from old: String) throws(SQLError) -> Bool {
        let text = CanonicalJSON.text(image)
        let arguments = Self.columns(of: image, as: text) + [.text(old)]
        guard try connection.rowsChanged(by: Self.imageUpdateFromText, arguments) == 1 else { return false }
        decoded.remember(image, as: text)
        return true
    }

    private static let imageUpdate =
        "UPDATE images SET status = $2, wake_at = $3, state = $4, ended_at = $5 WHERE id = $1"
    private static let imageUpdateFromText = imageUpdate + " AND state = $6"

    private static func columns(of image: Image, as text: String) -> [SQLValue] {
        [
            .text(image.id.text), .text(image.status.rawValue), SQLValue(image.wakeAt?.microseconds),
            .text(text), SQLValue(image.isForgettable ? image.updatedAt.microseconds : nil),
        ]
    }

    /// Forgets a deleted image and its history.
    func forget(_ id: String) throws(SQLError) {
        try connection.execute("DELETE FROM journal WHERE image_id = $1", [.text(id)])
        try forgetDeadLetter(id)
        try connection.execute("DELETE FROM images WHERE id = $1", [.text(id)])
    }

    /// Applies one event to an image that was read to be changed, and writes everything it brings about.
    func apply(_ event: Event, to image: Image, in context: TransitionContext) throws(SQLError) -> Applied {
        var image = image
        let transition = image.apply(event, in: context)
        let outgoing = try carryOut(transition.effects, of: image, in: context)
        if transition.isMoved || !transition.effects.isEmpty { try update(image) }
        return Applied(image: image, transition: transition, outgoing: outgoing)
    }

    /// Applies one event to the image as this process last wrote it, and writes it only over that very text: a read less.
    /// - Returns: `nil` when nothing has happened, because others have moved the image meanwhile, it is not known here, or
    ///   the event does not move it.
    func applyUnread(_ event: Event, to id: ImageID, in context: TransitionContext) throws(SQLError) -> Applied? {
        guard let known = decoded.last(id) else { return nil }
        var image = known.image
        let transition = image.apply(event, in: context)
        guard transition.isMoved, try update(image, from: known.text) else { return nil }
        return Applied(
            image: image,
            transition: transition,
            outgoing: try carryOut(transition.effects, of: image, in: context)
        )
    }

    func carryOut(
        _ effects: [Effect],
        of image: Image,
        in context: TransitionContext
    ) throws(SQLError) -> [OutgoingMessage] {
        var told: [OutgoingMessage] = []
        for effect in effects {
            switch effect {
            case .joinLine: try joinLine(image)
            case .takeLocks: try takeLocks(for: image)
            case .releaseLocks: told += try releaseLocks(of: image, in: context)
            case .releaseQuota(let use):
                try connection.execute(
                    "UPDATE quotas SET images = images - $2, snapshots = snapshots - $3 WHERE owner = $1",
                    [.text(image.owner.text), SQLValue(use.images), SQLValue(use.snapshots)]
                )
            case .indexShares(let owners): try index(image.id, sharedWith: owners)
            case .tell(let other, let event):
                // One that is forgotten has nothing to do with it any more.
                guard let other = try imageToChange(other) else { continue }
                told += try apply(event, to: other, in: context).outgoing
            // Below, after the messages.
            case .recordDeadLetter: break
            case .announce, .enqueue, .deadLetter, .park: break
            }
        }
        let outgoing = OutgoingEffects(effects, of: image)
        try append(outgoing.journal, to: image.id, at: context.now)
        try post(outgoing.messages.filter { $0.row == .outbox }, at: context.now)
        for case .recordDeadLetter(let deadLetter) in effects { try arrive(deadLetter, nil, at: context.now) }
        return outgoing.messages + told
    }

    /// In as few statements as it takes.
    func insert(_ rows: [[SQLValue]], by insertion: RowInsertion) throws(SQLError) {
        for (text, values) in insertion.statements(for: rows) { try connection.execute(text, values) }
    }

    /// In as few statements as it takes.
    func change(_ keys: [[SQLValue]], by change: RowChange) throws(SQLError) {
        for (text, values) in change.statements(for: keys) { try connection.execute(text, values) }
    }

    // MARK: Shares

    private func index(_ image: ImageID, sharedWith owners: [Owner]) throws(SQLError) {
        try connection.execute("DELETE FROM shares WHERE image_id = $1", [.text(image.text)])
        for owner in owners {
            try connection.execute(
                "INSERT INTO shares (owner, image_id) VALUES ($1, $2)",
                [.text(owner.text), .text(image.text)]
            )
        }
    }

    // MARK: Leases

    private static let leasesOfImage = """
        SELECT image_id, job, fence, worker, expires_at, done_bytes, total_bytes, granted_at, length FROM leases
        WHERE image_id = $1 ORDER BY job
        """

    func leases(of image: ImageID) throws(SQLError) -> [Lease] {
        try leases(in: try connection.query(Self.leasesOfImage, [.text(image.text)]))
    }

    /// An image as by `imageToChange`, and the leases of its jobs.
    func imageToChangeWithLeases(_ id: ImageID) throws(SQLError) -> (image: Image, leases: [Lease])? {
        let answers = try connection.query([
            SQLQuery(Self.imageState, [.text(id.text)], forUpdate: true),
            SQLQuery(Self.leasesOfImage, [.text(id.text)]),
        ])
        guard answers.count == 2, let image = try image(id, in: answers[0]) else { return nil }
        return (image, try leases(in: answers[1]))
    }

    func leases() throws(SQLError) -> [Lease] {
        try leases(
            in: try connection.query(
                """
                SELECT image_id, job, fence, worker, expires_at, done_bytes, total_bytes, granted_at, length FROM leases
                ORDER BY image_id, job
                """
            )
        )
    }

    private func leases(in rows: [SQLRow]) throws(SQLError) -> [Lease] {
        var leases: [Lease] = []
        for row in rows {
            let name = try row.text("image_id")
            guard let image = ImageID(name), let job = Job(try row.text("job")),
                let worker = WorkerID(try row.text("worker"))
            else {
                throw SQLError(.unreadable, "a lease of image \(name) is unreadable")
            }
            var progress: CopyProgress?
            if let done = try row.optionalInteger("done_bytes"), let total = try row.optionalInteger("total_bytes") {
                progress = CopyProgress(doneBytes: done, totalBytes: total)
            }
            leases.append(
                Lease(
                    image: image,
                    job: job,
                    fence: try row.integer("fence"),
                    worker: worker,
                    expiresAt: Timestamp(microseconds: try row.integer("expires_at")),
                    progress: progress,
                    since: try row.optionalInteger("granted_at").map { Timestamp(microseconds: $0) },
                    length: try row.optionalInteger("length").map { Duration.microseconds($0) }
                )
            )
        }
        return leases
    }

    func grant(
        _ job: Job,
        of image: ImageID,
        fence: Int64,
        to worker: WorkerID,
        nonce: Int64,
        at now: Timestamp,
        for length: Duration
    ) throws(SQLError) {
        try connection.execute(
            """
            INSERT INTO leases (image_id, job, fence, worker, nonce, expires_at, granted_at, length)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (image_id, job) DO UPDATE SET
                fence = excluded.fence, worker = excluded.worker, nonce = excluded.nonce,
                expires_at = excluded.expires_at, granted_at = excluded.granted_at, length = excluded.length,
                done_bytes = NULL, total_bytes = NULL
            """,
            [
                .text(image.text), .text(job.description), .integer(fence), .text(worker.text), .integer(nonce),
                .integer((now + length).microseconds), .integer(now.microseconds), .integer(length.microseconds),
            ]
        )
    }

    /// Whether `job`'s lease was granted to this very delivery.
    func isGranted(_ lease: Lease, for job: Job, nonce: Int64) throws(SQLError) -> Bool {
        guard lease.job == job else { return false }
        return try !connection.query(
            "SELECT fence FROM leases WHERE image_id = $1 AND job = $2 AND fence = $3 AND nonce = $4",
            [.text(lease.image.text), .text(job.description), .integer(lease.fence), .integer(nonce)]
        ).isEmpty
    }

    func endLease(_ job: Job, of image: ImageID, fence: Int64) throws(SQLError) {
        try connection.execute(
            "DELETE FROM leases WHERE image_id = $1 AND job = $2 AND fence = $3",
            [.text(image.text), .text(job.description), .integer(fence)]
        )
    }

    // MARK: Requests

    func answer(to identity: RequestIdentity) throws(SQLError) -> RecordedAnswer? {
        let rows = try connection.query(
            "SELECT fingerprint, answer FROM requests WHERE owner = $1 AND request_id = $2",
            [.text(identity.owner.text), .text(identity.requestID.text)]
        )
        guard let row = rows.first else { return nil }
        let answer = try decode(Answer.self, try row.text("answer"), "answer to \(identity.requestID)")
        return RecordedAnswer(answer: answer, fingerprint: try row.text("fingerprint"))
    }

    func record(
        _ answer: Answer,
        to identity: RequestIdentity,
        fingerprint: String,
        at now: Timestamp
    ) throws(SQLError) {
        try connection.execute(
            """
            INSERT INTO requests (owner, request_id, fingerprint, answer, answered_at) VALUES ($1, $2, $3, $4, $5)
            """,
            [
                .text(identity.owner.text), .text(identity.requestID.text), .text(fingerprint),
                .text(CanonicalJSON.text(answer)), .integer(now.microseconds),
            ]
        )
        if let rejection = answer.rejection { try replayWasRefused(identity, rejection, at: now) }
    }

    // MARK: Quota

    private static let quotaUsage =
        "SELECT image_limit, snapshot_limit, images, snapshots FROM quotas WHERE owner = $1"

    func quota(of owner: Owner) throws(SQLError) -> QuotaUsage {
        try quota(of: owner, in: try connection.query(Self.quotaUsage, [.text(owner.text)]))
    }

    /// A usage that no other transaction changes meanwhile. A missing row cannot be locked, so it is inserted.
    func quotaToChange(of owner: Owner) throws(SQLError) -> QuotaUsage {
        let rows = try connection.queryForUpdate(Self.quotaUsage, [.text(owner.text)])
        if !rows.isEmpty { return try quota(of: owner, in: rows) }
        try connection.execute(
            """
            INSERT INTO quotas (owner, image_limit, snapshot_limit, images, snapshots) VALUES ($1, $2, $3, 0, 0)
            ON CONFLICT (owner) DO NOTHING
            """,
            [.text(owner.text), SQLValue(QuotaLimits.standard.images), SQLValue(QuotaLimits.standard.snapshots)]
        )
        return try quota(of: owner, in: try connection.queryForUpdate(Self.quotaUsage, [.text(owner.text)]))
    }

    private func quota(of owner: Owner, in rows: [SQLRow]) throws(SQLError) -> QuotaUsage {
        guard let row = rows.first else { return QuotaUsage(owner: owner, used: .none, limits: .standard) }
        return QuotaUsage(
            owner: owner,
            used: QuotaUse(images: Int(try row.integer("images")), snapshots: Int(try row.integer("snapshots"))),
            limits: QuotaLimits(
                images: Int(try row.integer("image_limit")),
                snapshots: Int(try row.integer("snapshot_limit"))
            )
        )
    }

    func keep(_ usage: QuotaUsage) throws(SQLError) {
        try connection.execute(
            """
            INSERT INTO quotas (owner, image_limit, snapshot_limit, images, snapshots) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (owner) DO UPDATE SET
                image_limit = excluded.image_limit, snapshot_limit = excluded.snapshot_limit,
                images = excluded.images, snapshots = excluded.snapshots
            """,
            [
                .text(usage.owner.text), SQLValue(usage.limits.images), SQLValue(usage.limits.snapshots),
                SQLValue(usage.used.images), SQLValue(usage.used.snapshots),
            ]
        )
    }

    // MARK: Documents

    func decode<Value: Decodable>(_ type: Value.Type, _ text: String, _ what: String) throws(SQLError) -> Value {
        do {
            return try CanonicalJSON.decode(type, from: text.utf8)
        } catch {
            throw SQLError(.unreadable, "\(what) is unreadable: \(error)")
        }
    }
}
