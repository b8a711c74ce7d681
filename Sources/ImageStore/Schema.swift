import SQLAccess

/// The schema, the same text for every database. Times are microseconds since 1970, documents are JSON text.
enum Schema {
    static let migrationLists = [
        [
            """
            CREATE TABLE images (
                id TEXT PRIMARY KEY, owner TEXT NOT NULL, status TEXT NOT NULL, created_at BIGINT NOT NULL,
                wake_at BIGINT, state TEXT NOT NULL)
            """,
            "CREATE INDEX images_by_owner ON images (owner, created_at)",
            "CREATE INDEX images_by_age ON images (created_at)",
            "CREATE INDEX images_to_wake ON images (wake_at) WHERE wake_at IS NOT NULL",
            """
            CREATE TABLE requests (
                owner TEXT NOT NULL, request_id TEXT NOT NULL, fingerprint TEXT NOT NULL, answer TEXT NOT NULL,
                answered_at BIGINT NOT NULL, PRIMARY KEY (owner, request_id))
            """,
            """
            CREATE TABLE quotas (
                owner TEXT PRIMARY KEY, image_limit BIGINT NOT NULL, snapshot_limit BIGINT NOT NULL,
                images BIGINT NOT NULL, snapshots BIGINT NOT NULL)
            """,
            "CREATE TABLE locks (key TEXT PRIMARY KEY, image_id TEXT NOT NULL)",
            "CREATE INDEX locks_by_image ON locks (image_id)",
            """
            CREATE TABLE leases (
                image_id TEXT NOT NULL, job TEXT NOT NULL, fence BIGINT NOT NULL, worker TEXT NOT NULL,
                expires_at BIGINT NOT NULL, done_bytes BIGINT, total_bytes BIGINT, PRIMARY KEY (image_id, job))
            """,
            """
            CREATE TABLE journal (
                image_id TEXT NOT NULL, sequence BIGINT NOT NULL, line TEXT NOT NULL,
                PRIMARY KEY (image_id, sequence))
            """,
            """
            CREATE TABLE outbox (
                id TEXT PRIMARY KEY, written_at BIGINT NOT NULL, position BIGINT NOT NULL, message TEXT NOT NULL,
                tries BIGINT NOT NULL DEFAULT 0)
            """,
            "CREATE INDEX outbox_by_age ON outbox (written_at, position)",
        ],
        // The body beside the message and not in it: JSON within JSON was written twice, and escaped.
        ["ALTER TABLE outbox ADD COLUMN body TEXT"],
        [
            "CREATE TABLE shares (owner TEXT NOT NULL, image_id TEXT NOT NULL, PRIMARY KEY (owner, image_id))",
            "CREATE INDEX shares_by_image ON shares (image_id)",
            // Set once an image is deleted and holds nothing any more: from then on it may be forgotten.
            "ALTER TABLE images ADD COLUMN ended_at BIGINT",
            "CREATE INDEX images_ended ON images (ended_at) WHERE ended_at IS NOT NULL",
            "CREATE INDEX requests_by_age ON requests (answered_at)",
        ],
        // Tells the delivery that was granted a lease from another of the same worker.
        ["ALTER TABLE leases ADD COLUMN nonce BIGINT"],
        forOperators,
        // So that every worker can count them every few seconds, without reading a single document.
        [
            "CREATE INDEX images_by_status ON images (status)",
            "CREATE INDEX letters_by_state ON letters (state, kind)",
        ],
        // How long a lease is, in microseconds: one that ends later than that from now cannot be.
        ["ALTER TABLE leases ADD COLUMN length BIGINT"],
        deadLetters,
        // In a text of JSON the quotes are escaped: what is found is the field alone.
        [
            """
            UPDATE images SET state = REPLACE(state, '"adviceMends":', '"isFixedByAdvice":')
            WHERE state LIKE '%"adviceMends":%'
            """,
            """
            UPDATE images SET state = REPLACE(state, '"mending":', '"guestFix":')
            WHERE state LIKE '%"mending":%'
            """,
            """
            UPDATE images SET state = REPLACE(state, '"handOvers":', '"publications":')
            WHERE state LIKE '%"handOvers":%'
            """,
            """
            UPDATE images SET state = REPLACE(state, '"storedTies":', '"storedReferences":')
            WHERE state LIKE '%"storedTies":%'
            """,
        ],
        // The images that wait for an instance, in order. The one that has it is in `locks`, whose unique key keeps a second
        // from having it.
        [
            """
            CREATE TABLE lock_line (
                image_id TEXT PRIMARY KEY, instance_id TEXT NOT NULL, number BIGINT NOT NULL,
                UNIQUE (instance_id, number))
            """
        ],
        // The line of a journal is the event. Until the broker has it, `unsent_at` says when it was written, `jobs` holds
        // the jobs that were queued with it, and `event` its body where that does not follow from the line.
        [
            "ALTER TABLE journal ADD COLUMN unsent_at BIGINT",
            "ALTER TABLE journal ADD COLUMN jobs TEXT",
            "ALTER TABLE journal ADD COLUMN event TEXT",
            "CREATE INDEX journal_unsent ON journal (unsent_at) WHERE unsent_at IS NOT NULL",
        ],
    ]

    static let migrations = SQLMigrations(migrationLists)

    /// What were letters and marks are dead letters and events. Not every database renames an index.
    private static let deadLetters = [
        "DROP INDEX letters_by_state",
        "DROP INDEX letters_by_age",
        "DROP INDEX letters_by_request",
        "ALTER TABLE letters RENAME TO dead_letters",
        "ALTER TABLE dead_letters RENAME COLUMN letter TO dead_letter",
        "CREATE INDEX dead_letters_by_state ON dead_letters (state, kind)",
        "CREATE INDEX dead_letters_by_age ON dead_letters (last_at, id)",
        "CREATE INDEX dead_letters_by_request ON dead_letters (owner, request_id) WHERE request_id IS NOT NULL",
        "ALTER TABLE letter_marks RENAME TO dead_letter_events",
        "ALTER TABLE dead_letter_events RENAME COLUMN letter_id TO dead_letter_id",
        "ALTER TABLE dead_letter_events RENAME COLUMN mark TO event",
    ]

    /// What people judge, and who works. A letter is a document too; its columns are what it is looked for by, where an
    /// absent step or owner is an empty text.
    private static let forOperators = [
        """
        CREATE TABLE letters (
            id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, cause TEXT NOT NULL, step TEXT NOT NULL,
            owner TEXT NOT NULL, last_at BIGINT NOT NULL, request_id TEXT, letter TEXT NOT NULL, message TEXT)
        """,
        "CREATE INDEX letters_by_age ON letters (last_at, id)",
        // The replay that waits for its answer.
        "CREATE INDEX letters_by_request ON letters (owner, request_id) WHERE request_id IS NOT NULL",
        """
        CREATE TABLE letter_marks (
            letter_id TEXT NOT NULL, number BIGINT NOT NULL, mark TEXT NOT NULL, PRIMARY KEY (letter_id, number))
        """,
        "CREATE TABLE workers (id TEXT PRIMARY KEY, stored_at BIGINT NOT NULL, report TEXT NOT NULL)",
        "ALTER TABLE leases ADD COLUMN granted_at BIGINT",
    ]
}
