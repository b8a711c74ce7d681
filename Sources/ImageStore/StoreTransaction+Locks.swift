import ImageCore
import SQLAccess

/// An instance with its disks: the one image that has them (`locks`), and those that wait (`lock_line`).
extension StoreTransaction {
    private func lockLine(of plan: Plan, toChange: Bool = false) throws(SQLError) -> LockLine {
        let query = { (text: String, value: String) throws(SQLError) -> [ImageID] in
            let rows =
                toChange
                ? try connection.queryForUpdate(text, [.text(value)]) : try connection.query(text, [.text(value)])
            var images: [ImageID] = []
            for row in rows {
                guard let image = ImageID(try row.text("image_id")) else {
                    throw SQLError(.unreadable, "a lock names no image")
                }
                images.append(image)
            }
            return images
        }
        let holders = try query("SELECT image_id FROM locks WHERE key = $1", plan.instanceKey)
        let waiting = try query(
            "SELECT image_id FROM lock_line WHERE instance_id = $1 ORDER BY number",
            plan.instanceID.text
        )
        return LockLine(holder: holders.first, waiting: waiting)
    }

    /// Takes the last place, unless the image has one.
    func joinLine(_ image: Image) throws(SQLError) {
        let instance = SQLValue.text(image.plan.instanceID.text)
        let last = try connection.query("SELECT MAX(number) AS last FROM lock_line WHERE instance_id = $1", [instance])
        // A number that is taken meanwhile fails here: then this transaction is repeated.
        try connection.execute(
            """
            INSERT INTO lock_line (image_id, instance_id, number) VALUES ($1, $2, $3)
            ON CONFLICT (image_id) DO NOTHING
            """,
            [.text(image.id.text), instance, .integer((try last.first?.optionalInteger("last") ?? 0) + 1)]
        )
    }

    /// The line of a plan's instance. Waits for an image that releases it or leaves at this moment.
    func lockLineToChange(of plan: Plan) throws(SQLError) -> LockLine { try lockLine(of: plan, toChange: true) }

    func takeLocks(for image: Image) throws(SQLError) {
        // A key that is taken meanwhile must fail here: then this transaction is repeated, and meets the holder.
        for key in image.plan.lockKeys.sorted() {
            try connection.execute(
                "INSERT INTO locks (key, image_id) VALUES ($1, $2)",
                [.text(key), .text(image.id.text)]
            )
        }
        try leaveLine(image)
    }

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
