import Glibc
package import ImageCore

/// What a failure is about, in the words of the image's owner.
package enum FailureSubject: Sendable, CustomStringConvertible {
    case disk(DeviceName, InstanceID)
    case instance(InstanceID)
    case storage
    case location(LocationName)

    package var description: String {
        switch self {
        case .disk(let device, let instance): "\(device) of instance \(instance)"
        case .instance(let instance): "Instance \(instance)"
        case .storage: "The image storage"
        case .location(let name): "Location \(name)"
        }
    }

    init(_ resource: Resource) {
        self = resource.location.map { .location($0) } ?? .storage
    }
}

extension StepFailure {
    /// The task was cancelled: no failure, so no attempt is used.
    package static func interrupted(_ what: String) -> StepFailure {
        StepFailure(.throttled, .cancelled, "\(what) was interrupted.")
    }

    static func full(_ subject: FailureSubject, freeBytes: Int64?, neededBytes: Int64?) -> StepFailure {
        let parts = [
            freeBytes.map { "\(ByteText.of($0)) free" }, neededBytes.map { "\(ByteText.of($0)) needed" },
        ]
        let known = parts.compactMap { $0 }.joined(separator: ", ")
        return StepFailure(
            .transient,
            .unavailable,
            "\(subject) is full\(known.isEmpty ? "" : " (\(known))").",
            advice: "Free or add space there.",
            isFixedByAdvice: true
        )
    }

    static func file(_ failure: FileFailure, at subject: FailureSubject) -> StepFailure {
        switch Outlook(errno: failure.code) {
        case .full:
            let free = try? FileCalls.freeBytes(at: FileCalls.folder(of: failure.path))
            return .full(subject, freeBytes: free, neededBytes: nil)
        case .permanent(.rights):
            return StepFailure(
                .permanent,
                .failedPrecondition,
                "\(subject) does not let the worker \(failure.call): \(failure.reason).",
                advice: "Give the worker the right to read and write there.",
                isFixedByAdvice: true
            )
        case .permanent(let cause):
            return StepFailure(
                .permanent,
                .failedPrecondition,
                "\(subject): could not \(failure.call) a file: \(failure.reason).",
                advice: cause.advice,
                isFixedByAdvice: true
            )
        case .transient:
            return StepFailure(
                .transient,
                .unavailable,
                "\(subject): could not \(failure.call) a file: \(failure.reason)."
            )
        }
    }

    static func copy(_ stop: CopyStop, at subject: FailureSubject) -> StepFailure {
        switch stop {
        case .cancelled: .interrupted("The copy to \(subject)")
        case .file(let failure): .file(failure, at: subject)
        }
    }

    /// What a failed `qemu-img` means for the disk it was run on. Its own message goes to the worker's log only: it
    /// names files of the host, and does not help the image's owner.
    static func child(_ failure: ChildFailure, disk: FailureSubject, target: FailureSubject = .storage) -> StepFailure {
        switch failure.kind {
        case .cancelled:
            return .interrupted("The work on \(disk)")
        case .timedOut:
            return StepFailure(
                .transient,
                .unavailable,
                "\(disk) could not be looked at in time (\(failure.text))."
            )
        case .signalled(let number):
            return StepFailure(.transient, .unavailable, "qemu-img was killed (signal \(number)) on \(disk).")
        case .notStarted, .exited(126), .exited(127):
            // This worker's own trouble: it uses no attempt, and another worker may do better.
            return StepFailure(
                .throttled,
                .unavailable,
                "qemu-img could not be started.",
                advice: "See `goldsmith worker list` and the worker's log, and install qemu-utils on its host.",
                isFixedByAdvice: true
            )
        case .exited: return .said(Outlook(qemuImg: failure.text), of: failure, disk, target)
        }
    }

    private static func said(
        _ outlook: Outlook,
        of failure: ChildFailure,
        _ disk: FailureSubject,
        _ target: FailureSubject
    )
        -> StepFailure
    {
        switch outlook {
        case .full: .full(target, freeBytes: nil, neededBytes: nil)
        case .permanent(.inUse): .beingWritten(disk)
        case .permanent(.disk) where failure.text.contains("not in qcow2 format"):
            StepFailure(
                .permanent,
                .failedPrecondition,
                "\(disk) is not in the format qcow2 that its instance's description names, or its beginning is damaged.",
                advice: "Repair or restore the disk, or correct the description."
            )
        case .permanent(.feature):
            StepFailure(
                .permanent,
                .failedPrecondition,
                "\(disk) is made in a way that this worker's qemu-img does not take.",
                advice: "Copy the disk with qemu-img convert -O qcow2; the worker's log says what it is about."
            )
        case .permanent(.disk):
            StepFailure(
                .permanent,
                .failedPrecondition,
                "\(disk) could not be read: qemu-img does not take it for a sound disk.",
                advice: "Look at the disk with qemu-img check, and repair or restore it; the worker's log says more."
            )
        case .permanent(.rights):
            StepFailure(
                .permanent,
                .failedPrecondition,
                "\(disk) or its copy's place does not let the worker's qemu-img open it.",
                advice: "Give the worker the right to read the disk's files and to write its storage.",
                isFixedByAdvice: true
            )
        case .permanent(let cause):
            StepFailure(
                .permanent,
                .failedPrecondition,
                "\(disk) could not be read or copied, and another try would end alike.",
                advice: cause.advice,
                isFixedByAdvice: true
            )
        case .transient where failure.says(EIO):
            StepFailure(
                .transient,
                .unavailable,
                "\(disk) could not be read: \(String(cString: strerror(EIO))).",
                advice: "Look at the disk with qemu-img check, and at the storage under it.",
                isFixedByAdvice: true
            )
        case .transient:
            StepFailure(
                .transient,
                .unavailable,
                "\(disk) could not be read or copied: qemu-img failed.",
                advice: "The worker's log has its words. If it happens again, look at the disk with qemu-img check."
            )
        }
    }

    static func beingWritten(_ disk: FailureSubject) -> StepFailure {
        StepFailure(
            .permanent,
            .failedPrecondition,
            "\(disk) is being written by another program.",
            advice: "Stop the instance and whatever else has the disk open, then retry the image."
        )
    }
}

extension Outlook.Cause {
    /// What a human on the host can do.
    fileprivate var advice: String {
        switch self {
        case .rights: "Give the worker the right to read and write there."
        case .fileSystem: "Use a file system there that takes files of this kind and size."
        case .damagedFileSystem: "Repair the file system there (fsck), or use another."
        case .place: "See what is in its place on the worker's host, and move it away."
        case .disk: "Look at the disk with qemu-img check, and repair or restore it."
        case .feature: "Copy the disk with qemu-img convert -O qcow2."
        case .inUse: "Stop the instance and whatever else has the disk open."
        }
    }
}

extension ChildFailure {
    /// Whether the system's words for an error are in what the program said.
    func says(_ code: Int32) -> Bool { text.contains(String(cString: strerror(code))) }
}

/// Runs file calls, and says what their failure means at `subject`.
func filing<Value>(at subject: FailureSubject, _ body: () throws(FileFailure) -> Value) throws(StepFailure) -> Value {
    do throws(FileFailure) { return try body() } catch { throw .file(error, at: subject) }
}

/// Runs `qemu-img`, and says what its failure means for `disk`.
func running<Value: Sendable>(
    on disk: FailureSubject,
    _ body: () async throws(ChildFailure) -> Value
) async throws(StepFailure) -> Value {
    do throws(ChildFailure) { return try await body() } catch { throw .child(error, disk: disk) }
}

/// Sizes as people say them.
package enum ByteText {
    package static func of(_ bytes: Int64) -> String {
        let units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(max(0, bytes))
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        let tenths = Int64((value * 10).rounded())
        return tenths % 10 == 0 || unit == 0
            ? "\(tenths / 10) \(units[unit])" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}
