import ImageCore
import LibvirtClient
import Logging

extension LibvirtDriver {
    /// Asks the host, and says what a failure means. libvirt's own words go to the log: they name files and users.
    func ask<Value: Sendable>(
        _ what: String,
        within limit: Duration = LibvirtHost.standardLimit,
        _ body: @escaping @Sendable (LibvirtConnection) throws(LibvirtError) -> Value
    ) async throws(StepFailure) -> Value {
        do throws(LibvirtError) {
            return try await host.run(within: limit, body)
        } catch {
            logFailure(error, what)
            throw .libvirt(error, what)
        }
    }

    func logFailure(_ error: LibvirtError, _ what: String) {
        guard error.kind != .cancelled else { return }
        logger.notice(
            "libvirt failed",
            metadata: ["asked": "\(what)", "code": "\(error.code)", "said": "\(PlainText.sentence(error.message))"]
        )
    }
}

extension StepFailure {
    /// - Parameters:
    ///   - what: what libvirt was asked to do, fit for "could not …".
    ///   - host: another than the worker's.
    static func libvirt(_ error: LibvirtError, _ what: String, on host: HostName? = nil) -> StepFailure {
        let libvirt = host.map { "The libvirt of host \($0)" } ?? "The host's libvirt"
        return switch error.kind {
        case .cancelled: .interrupted("What libvirt was asked")
        case .notInstalled:
            // This worker's own trouble: it uses no attempt, and another worker may do better.
            StepFailure(
                .throttled,
                .unavailable,
                "libvirt is not installed on the worker's host.",
                advice: "Install libvirt-daemon-system there, and try with `goldsmith doctor`.",
                isFixedByAdvice: true
            )
        case .unreachable:
            StepFailure(
                .transient,
                .unavailable,
                "\(libvirt) could not \(what): it does not answer.",
                advice:
                    "See whether libvirtd runs on the host (systemctl status libvirtd); `goldsmith doctor` tries it.",
                isFixedByAdvice: true
            )
        case .denied:
            StepFailure(
                .permanent,
                .failedPrecondition,
                "\(libvirt) does not let the worker \(what).",
                advice: "Put the worker's user into the group libvirt, or run it as root.",
                isFixedByAdvice: true
            )
        case .notFound:
            StepFailure(.permanent, .notFound, "\(libvirt) could not \(what): it is not there.")
        case .invalidState:
            StepFailure(
                .permanent,
                .failedPrecondition,
                "\(libvirt) could not \(what) in the state it is in.",
                advice: "The worker's log has libvirt's words."
            )
        case .other:
            StepFailure(
                .transient,
                .unavailable,
                "\(libvirt) could not \(what).",
                advice: "The worker's log has libvirt's words."
            )
        }
    }

    static func savedMemory(_ id: InstanceID) -> StepFailure {
        StepFailure(
            .permanent,
            .failedPrecondition,
            "Instance \(id) has saved memory: its disks are as a running machine left them, not as a stopped one.",
            advice:
                "Start it and shut it down, or drop the memory with `virsh managedsave-remove`, then retry the image."
        )
    }

    static func sharedFile(_ subject: FailureSubject) -> StepFailure {
        StepFailure(
            .permanent,
            .failedPrecondition,
            "\(subject) is also a disk of another domain, which could change it.",
            advice: "Give each domain a disk of its own, for example by a copy with qemu-img convert."
        )
    }

    static func notCapturable(_ subject: FailureSubject, _ problem: String, advice: String? = nil) -> StepFailure {
        StepFailure(.permanent, .failedPrecondition, "\(subject) \(problem).", advice: advice)
    }
}
