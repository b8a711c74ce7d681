import AMQPClient
import Glibc
import ImageCore
import Observability

/// A command that could not do what it was asked: what happened, why, and what to do, with the exit code for scripts.
struct CommandFailure: Error, CustomStringConvertible {
    /// The exit codes are a contract with scripts.
    enum Kind: Int32 {
        case failed = 1
        case usage = 2
        case notFound = 3
        case conflict = 4
        case unavailable = 5
    }

    var kind: Kind
    var message: String
    var advice: String?

    init(_ kind: Kind, _ message: String, advice: String? = nil) {
        self.kind = kind
        self.message = message
        self.advice = advice
    }

    var exitCode: Int32 { kind.rawValue }
    var description: String { "error: \(message)" + (nextStep.map { "\n  → \($0)" } ?? "") }

    private var nextStep: String? {
        advice ?? (kind == .usage ? "the same command with --help says what it takes, with examples" : nil)
    }
}

extension CommandFailure {
    init(_ error: StoreError) {
        switch error.kind {
        case .unavailable:
            self.init(
                .unavailable,
                error.message,
                advice: error.advice ?? "is the database there, and may this user write it?"
            )
        case .unknown:
            self.init(.unavailable, error.message, advice: error.advice ?? "look into the database's own log")
        case .refused:
            self.init(.failed, "the database refused a statement: \(error.message)", advice: error.advice)
        case .unreadable:
            self.init(
                .failed,
                "the store cannot be read: \(error.message)",
                advice: error.advice ?? "is this installation's database meant, and this program as new as the workers?"
            )
        case .damaged:
            self.init(
                .failed,
                "the database is damaged: \(error.message)",
                advice: "stop all workers, look at its disk, and bring back the newest back-up; see docs/operations.md"
            )
        }
    }

    init(_ error: AMQPError) {
        self.init(
            error.kind == .invalidEndpoint ? .usage : .unavailable,
            "the broker: \(error)",
            advice: "is RabbitMQ running, and is GOLDSMITH_AMQP_URL right? `goldsmith doctor` looks closer"
        )
    }

    init(_ error: CannotListen) {
        self.init(.unavailable, error.message, advice: error.advice)
    }

    init(_ failure: StepFailure) {
        self.init(Kind(failure.code), failure.message, advice: failure.advice)
    }

    /// - Parameter operation: what was asked for.
    init(_ rejection: Rejection, of operation: Operation) {
        let field = rejection.field.map { " (\($0))" } ?? ""
        self.init(
            Kind(rejection.code),
            "\(rejection.code.rawValue): \(rejection.message)\(field)",
            advice: rejection.nextStep(after: operation)
        )
    }
}

extension CommandFailure.Kind {
    init(_ code: ErrorCode) {
        switch code {
        case .notFound: self = .notFound
        case .conflict, .failedPrecondition, .quotaExceeded, .duplicate, .permissionDenied: self = .conflict
        case .invalidArgument, .outOfRange: self = .usage
        case .unavailable: self = .unavailable
        case .cancelled, .bootFailed, .bootNotProven, .secretsFound, .internal: self = .failed
        }
    }
}

/// Ends the process without ArgumentParser's own words.
func endProcess(with code: Int32) -> Never { Glibc.exit(code) }
