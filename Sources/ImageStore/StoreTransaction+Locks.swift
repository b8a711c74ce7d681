import ImageCore
import SQLAccess

/// An instance with its disks: the one image that has them (`locks`), and those that wait (`lock_line`).
extension StoreTransaction {
    /// The line of a plan's instance.
    private func lockLine(of plan: Plan) throws(SQLError) -> LockLine {
        let rows = try connection.query(
            """
            SELECT image_id, 0 AS number FROM locks WHERE key = $1
            UNION ALL SELECT image_id, number FROM lock_line WHERE instance_id = $2 ORDER BY number
            """,
            [.text(plan.instanceKey), .text(plan.instanceID.text)]
        )
        var holder: ImageID?
        var waiting: [ImageID] = []
        for row in rows {
            let image = try imageID(in: row)
            // Places in the line are numbered from 1.
            if try row.integer("number") == 0 { holder = image } else { waiting.append(image) }
        }
        return LockLine(holder: holder, waiting: waiting)
    }

    /// The line of a plan's instance. Waits for an image that lets go or leaves at this moment.
    func lockLineToChange(of plan: Plan) throws(SQLError) -> LockLine {
        let answers = try connection.query([
            SQLQuery("SELECT image_id FROM locks WHERE key = $1", [.text(plan.instanceKey)], forUpdate: true),
            SQLQuery(
                "SELECT image_id FROM lock_line WHERE instance_id = $1 ORDER BY number",
                [.text(plan.instanceID.text)],
                forUpdate: true
            ),
        ])
        var images: [[ImageID]] = []
        for rows in answers { images.append(try rows.map { (row) throws(SQLError) in try imageID(in: row) }) }
        return LockLine(holder: images.first?.first, waiting: images.dropFirst().first ?? [])
    }

    private func imageID(in row: SQLRow) throws(SQLError) -> ImageID {
        guard let image = ImageID(try row.text("image_id")) else {
            throw SQLError(.unreadable, "a lock names no image")
        }
        return image
    }

    /// Takes the last place, unless the image has one.
    func joinLine(_ image: Image) throws(SQLError) {
        // A number that is taken meanwhile fails here: then this transaction is repeated.
        try connection.execute(
            """
            INSERT INTO lock_line (image_id, instance_id, number)
            SELECT $1, $2, COALESCE(MAX(number), 0) + 1 FROM lock_line WHERE instance_id = $2
            ON CONFLICT (image_id) DO NOTHING
            """,
            [.text(image.id.text), .text(image.plan.instanceID.text)]
        )
    }

    func takeLocks(for image: Image) throws(SQLError) {
        // A key that is taken meanwhile must fail here: then this transaction is repeated, and meets the holder.
        try insert(image.plan.lockKeys.sorted().map { [.text($0), .text(image.id.text)] }, by: Self.newLocks)
        try leaveLine(image)
    }

    private static let newLocks = RowInsertion("INSERT INTO locks (key, image_id) VALUES", columns: 2)

    /// Releases an image's locks, or its place in the line, and wakes the image that may have the locks now.
    func releaseLocks(of image: Image, in context: TransitionContext) throws(SQLError) -> [OutgoingMessage] {
        // The next image's row comes before the locks', as it does for that image itself when it begins.
        var next = try nextInLine(after: image)
        try leaveLine(image)
        try connection.execute("DELETE FROM locks WHERE image_id = $1", [.text(image.id.text)])
        // An image may have joined an empty line meanwhile.
        if next == nil { next = try nextInLine(after: image) }
        guard let next else { return [] }
        return try apply(.unlocked, to: next, in: context).outgoing
    }

    private func leaveLine(_ image: Image) throws(SQLError) {
        try connection.execute("DELETE FROM lock_line WHERE image_id = $1", [.text(image.id.text)])
    }

    /// The image that may have the locks after `image`. One that leaves the line at the same moment is skipped.
    private func nextInLine(after image: Image) throws(SQLError) -> Image? {
        while let id = try lockLine(of: image.plan).without(image.id).next {
            let next = try imageToChange(id)
            if try lockLine(of: image.plan).without(image.id).next == id { return next }
        }
        return nil
    }
}
