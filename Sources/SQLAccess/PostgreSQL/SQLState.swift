/// One of PostgreSQL's error codes, and what it means for the transaction that met it.
///
/// The codes are listed one by one: codes of one class mean different things, so neither a prefix nor absence from a
/// list decides. One that is not in the table is `unknown`: it is shown with its code, and the transaction is tried again.
struct SQLState: Equatable, Sendable {
    /// Five characters.
    var code: String

    struct Meaning: Equatable, Sendable {
        var kind: SQLError.Kind
        /// What can be done about it; nil where waiting is enough.
        var advice: String?
        /// The connection must not be used any more: it is gone, leads to a server that cannot write, or does not have the
        /// statements that were prepared on it. A new one may do better at once.
        var endsConnection = false
        /// A repetition of the same transaction meets what stopped it already done.
        var isRace = false
        /// Only met where something between this program and the server shares connections among clients.
        var showsPooler = false
    }

    var meaning: Meaning { Self.meanings[code] ?? Meaning(kind: .unknown, advice: Self.lookItUp) }

    private static let lookItUp = "look the code up in PostgreSQL's manual, and look into the server's log"
    private static let pooler =
        "a pooler between this program and PostgreSQL does not keep a transaction on one server connection: "
        + "set its pool_mode to transaction or session, or name the server itself in storeUrl"
    private static let connecting =
        "is the server, and the pooler before it if there is one, up and reachable from here?"
    private static let login = "are the user and the password in storeUrl right, and does pg_hba.conf let them in?"
    private static let schema =
        "is storeUrl's database, or its search_path, the right one? `goldsmith database status` shows its schema"
    private static let program = "this is a fault of the program or of tables that were changed by hand: report it"
    private static let disk = "look at the disk below the server and into the server's log"
    private static let memory = "give the server more memory, or lower what its settings let it use"
    private static let damage =
        "stop all workers, keep a copy, and look at the disk below the server before a back-up is brought back"

    private static func waits(_ advice: String? = nil) -> Meaning { Meaning(kind: .unavailable, advice: advice) }
    private static func ends(_ advice: String? = nil) -> Meaning {
        Meaning(kind: .unavailable, advice: advice, endsConnection: true)
    }
    private static let poolers = Meaning(
        kind: .unavailable,
        advice: pooler,
        endsConnection: true,
        showsPooler: true
    )
    private static let race = Meaning(kind: .unavailable, isRace: true)
    private static let refused = Meaning(kind: .refused, advice: program)
    private static let damaged = Meaning(kind: .damaged, advice: damage)

    private static let meanings: [String: Meaning] = [
        // The connection.
        "08000": ends(connecting),  // connection_exception
        "08001": ends(connecting),  // sqlclient_unable_to_establish_sqlconnection
        "08003": ends(connecting),  // connection_does_not_exist
        "08004": ends(connecting),  // sqlserver_rejected_establishment_of_sqlconnection
        "08006": ends(connecting),  // connection_failure
        "08007": ends(),  // transaction_resolution_unknown
        // PgBouncer and Odyssey say it of everything that goes wrong in them.
        "08P01": poolers,  // protocol_violation

        // What only a connection that changes under us brings about.
        "26000": poolers,  // invalid_sql_statement_name: "prepared statement does not exist"
        "42P05": poolers,  // duplicate_prepared_statement
        "34000": poolers,  // invalid_cursor_name
        "42P03": poolers,  // duplicate_cursor
        "25P01": poolers,  // no_active_sql_transaction
        "25001": poolers,  // active_sql_transaction
        // "cached plan must not change result type" after a change of the schema; an option that a proxy does not know.
        "0A000": ends(),  // feature_not_supported

        // Who may connect, and what is there.
        "28000": waits(login),  // invalid_authorization_specification
        "28P01": waits(login),  // invalid_password
        "3D000": waits(schema),  // invalid_catalog_name: no such database
        "3F000": waits(schema),  // invalid_schema_name
        "42501": waits("grant storeUrl's user what docs/operations.md lists"),  // insufficient_privilege
        "42P01": waits(schema),  // undefined_table
        "42703": waits(schema),  // undefined_column
        "42704": waits("a setting in the options of storeUrl is not one of this server's"),  // undefined_object
        "22023": waits("a setting in the options of storeUrl has a wrong value"),  // invalid_parameter_value
        "55P02": waits("a setting in the options of storeUrl cannot be changed"),  // cant_change_runtime_param

        // The server's condition.
        "25006": ends(
            "this server is a standby: name both hosts in storeUrl, with target_session_attrs=read-write"
        ),  // read_only_sql_transaction
        "53000": waits(disk),  // insufficient_resources
        "53100": waits("the server's disk is full: make room there"),  // disk_full
        "53200": waits(memory),  // out_of_memory
        "53300": waits(
            "the server, or this user, has all its connections: raise max_connections, or run fewer processes"
        ),  // too_many_connections
        "53400": waits("the server is at a limit that its settings name: raise it"),  // configuration_limit_exceeded
        "57014": waits("it took too long: what is the server busy with (pg_stat_activity)?"),  // query_canceled
        "57P01": ends(),  // admin_shutdown
        "57P02": ends(),  // crash_shutdown
        "57P03": ends(),  // cannot_connect_now: it starts or stops
        "57P04": ends(schema),  // database_dropped
        "57P05": ends(),  // idle_session_timeout
        "25P03": ends(),  // idle_in_transaction_session_timeout
        "25P04": ends("the server's transaction_timeout is too short"),  // transaction_timeout
        "58000": waits(disk),  // system_error
        "58030": waits(disk),  // io_error
        "58P01": waits(disk),  // undefined_file
        "58P02": waits(disk),  // duplicate_file

        // Other transactions.
        "40001": race,  // serialization_failure
        "40P01": race,  // deadlock_detected
        "40003": ends(),  // statement_completion_unknown
        "55P03": waits("who holds the lock (pg_locks, pg_stat_activity)?"),  // lock_not_available
        "55006": waits(),  // object_in_use
        "55000": waits(),  // object_not_in_prerequisite_state
        // Another transaction has just inserted the row. A lasting one is met again: then the values are at fault.
        "23505": Meaning(kind: .refused, advice: program, isRace: true),  // unique_violation
        // A failure before it, which is the one to report.
        "25P02": waits(),  // in_failed_sql_transaction

        // Statements and values that no waiting makes right.
        "21000": refused,  // cardinality_violation
        "22001": refused,  // string_data_right_truncation
        "22003": refused,  // numeric_value_out_of_range
        "22004": refused,  // null_value_not_allowed
        "22007": refused,  // invalid_datetime_format
        "22008": refused,  // datetime_field_overflow
        "22012": refused,  // division_by_zero
        "22021": refused,  // character_not_in_repertoire
        "22P02": refused,  // invalid_text_representation
        "22P03": refused,  // invalid_binary_representation
        "22P05": refused,  // untranslatable_character
        "23000": refused,  // integrity_constraint_violation
        "23502": refused,  // not_null_violation
        "23503": refused,  // foreign_key_violation
        "23514": refused,  // check_violation
        "23P01": refused,  // exclusion_violation
        "42601": refused,  // syntax_error
        "42702": refused,  // ambiguous_column
        "42804": refused,  // datatype_mismatch
        "42846": refused,  // cannot_coerce
        "42883": refused,  // undefined_function
        "42P02": refused,  // undefined_parameter
        "42P07": refused,  // duplicate_table
        "42701": refused,  // duplicate_column
        "42P10": refused,  // invalid_column_reference: no unique index that ON CONFLICT names
        "42P18": refused,  // indeterminate_datatype
        "54000": refused,  // program_limit_exceeded
        "54001": refused,  // statement_too_complex
        "54011": refused,  // too_many_columns
        "54023": refused,  // too_many_arguments

        // Internal errors of the server have many reasons; only these two are damage.
        "XX000": Meaning(kind: .unknown, advice: "the server's own log says more"),  // internal_error
        "XX001": damaged,  // data_corrupted
        "XX002": damaged,  // index_corrupted
    ]
}
