import FoundationEssentials
import Glibc
import ImageCore
import Logging
import Synchronization

/// Looks into guests' disks, and repairs copies of them, in child processes: a disk that is plain enough is read at once
/// (`GuestInspector+Reader.swift`), any other through libguestfs.
///
/// The child is this program itself (`guest-visit`). It, the QEMU that libguestfs starts and whatever else belongs to
/// them are one process group, which ends when the child does, when the time is up, or when the caller stops waiting.
public struct GuestInspector: Sendable {
    /// Longer than any launch that will still succeed; an emulated one takes most of a minute on a busy machine.
    public static let standardTimeLimit = Duration.seconds(300)
    /// For the appliance; LVM, ext4 and xfs are content with half of it.
    static let memoryMebibytes = 512
    /// For the child and its QEMU: the appliance's memory, a gigabyte of QEMU's for emulation, and themselves.
    static let addressSpace: Int64 = 6 << 30

    let program: String
    let timeLimit: Duration
    let workplace: String

    /// - Parameters:
    ///   - program: the absolute path of `goldsmith`.
    ///   - timeLimit: for one look, the start of the appliance included.
    ///   - workplace: the folder in which each look has a folder of its own; a short path, because it holds sockets.
    public init(program: String, timeLimit: Duration = Self.standardTimeLimit, workplace: String = "/tmp") {
        self.program = program
        self.timeLimit = timeLimit
        self.workplace = workplace
    }

    /// The program that runs.
    public static var ownProgram: String { (try? FileCalls.resolved("/proc/self/exe")) ?? "" }

    /// - Parameter node: a disk that has been looked at. It is only read: the child gets a throw-away layer over it.
    func look(at node: BlockNode, _ qemuImg: QemuImg, _ subject: FailureSubject) async throws(StepFailure)
        -> GuestInspection
    {
        if let seen = try await read(node, subject, qemuImg.logger) { return .seen(seen.facts) }
        return try await lookWithAppliance(at: node, qemuImg, subject)
    }

    func lookWithAppliance(
        at node: BlockNode,
        _ qemuImg: QemuImg,
        _ subject: FailureSubject
    ) async throws(StepFailure) -> GuestInspection {
        do throws(ChildFailure) {
            let scratch = try ScratchPlace(in: workplace)
            var stack = LayerStack(in: scratch.path)
            let layer = try await stack.put(over: node, qemuImg)
            return try Self.inspection(try await visit(layer, scratch.path))
        } catch {
            return try Self.inspection(error, subject, qemuImg.logger)
        }
    }

    /// What a look needs and this host, or this process's sandbox, does not have; `nil` when all seems to be there.
    /// Starts nothing.
    var missingPart: (reason: String, advice: String?)? {
        // Only to see whether the loader finds it: the child uses it.
        guard let library = dlopen(GuestLibrary.name, RTLD_LAZY | RTLD_LOCAL) else {
            return (
                "libguestfs is not installed on this worker's host",
                "install libguestfs-tools and linux-image-amd64 there, or set guestInspection to off"
            )
        }
        dlclose(library)
        // The appliance is built from an installed kernel.
        guard let kernels = try? FileCalls.names(in: "/lib/modules"), !kernels.isEmpty else {
            return (
                "there is no kernel in /lib/modules for libguestfs's appliance",
                "install linux-image-amd64, or let the service's sandbox see it (under systemd: ProtectKernelModules=no)"
            )
        }
        return nil
    }

    /// Looks into a disk without anything on it, to see whether looking works here.
    /// - Returns: `nil` when it does, else why not.
    public func selfTest(qemuImg: String = "/usr/bin/qemu-img") async -> (reason: String, advice: String?)? {
        let outcome: GuestInspection
        // The messages are part of the answer here: the caller has access to this host.
        let silence = Logger(label: "goldsmith") { _ in SwiftLogNoOpLogHandler() }
        do throws(ChildFailure) {
            let scratch = try ScratchPlace(in: workplace)
            let disk = scratch.path + "/disk.qcow2"
            try await QemuImg(program: qemuImg, logger: silence).createEmpty(disk, mebibytes: 1)
            outcome = try Self.inspection(try await visit(disk, scratch.path))
        } catch {
            guard case .notChecked(let reason, let advice, _)? = try? Self.inspection(error, .storage, silence) else {
                return ("it was interrupted", nil)
            }
            return (error.kind == .timedOut ? reason : "\(reason) (\(error.text))", advice)
        }
        guard case .notChecked(let reason, let advice, _) = outcome else { return nil }
        return (reason, advice)
    }

    /// Whether this host's `/dev/kvm` was found not to work. Trying it again would cost each look half a minute.
    private static let isWithoutKVM = Atomic<Bool>(false)

    private func visit(_ disk: String, _ scratch: String) async throws(ChildFailure) -> [UInt8] {
        let child = appliance(["--disk", disk], in: scratch, timeLimit: timeLimit)
        let output = try await child.run()
        guard output.exitCode == 0, output.standardOutput.count <= ChildProcess.outputLimit else {
            throw ChildFailure(kind: .exited(output.exitCode), text: output.errorText)
        }
        return output.standardOutput
    }

    /// The process that starts the appliance.
    func appliance(_ arguments: [String], in scratch: String, timeLimit: Duration) -> ChildProcess {
        let seconds = Int(timeLimit.components.seconds)
        var child = ChildProcess(
            program: program,
            arguments: ["guest-visit", "--memory", String(Self.memoryMebibytes)] + arguments
                + (Self.isWithoutKVM.load(ordering: .relaxed) ? ["--emulated"] : []),
            timeLimit: timeLimit,
            // An emulated processor keeps one of ours busy, and QEMU's own threads another.
            limits: ChildProcess.Limits(memoryBytes: Self.addressSpace, processorSeconds: 2 * seconds + 30)
        )
        // Not TMPDIR: the appliance, hundreds of MiB that are built at the first look, stays in /var/tmp for the next.
        child.environment = ["LIBGUESTFS_TMPDIR": scratch, "XDG_RUNTIME_DIR": scratch, "HOME": scratch]
        // Where the appliance is kept instead, if that is set.
        child.environment["LIBGUESTFS_CACHEDIR"] = ProcessInfo.processInfo.environment["LIBGUESTFS_CACHEDIR"]
        child.hasGroup = true
        return child
    }

    /// What a look has seen, and what was done.
    struct Seen {
        var facts: GuestFacts
        var seal: SealRecord?
        var secrets: [Finding]?
    }

    enum Answer {
        case seen(Seen)
        case notChecked(reason: String, advice: String?, mayPass: Bool)

        var inspection: GuestInspection {
            switch self {
            case .seen(let seen): .seen(seen.facts)
            case .notChecked(let reason, let advice, let mayPass):
                .notChecked(reason: reason, advice: advice, mayPass: mayPass)
            }
        }
    }

    static func inspection(_ report: [UInt8]) throws(ChildFailure) -> GuestInspection {
        try answer(report).inspection
    }

    static func answer(_ report: [UInt8]) throws(ChildFailure) -> Answer {
        guard let report = try? JSONDecoder().decode(GuestVisit.Report.self, from: Data(report)) else {
            throw ChildFailure(kind: .exited(0), text: "its report cannot be read")
        }
        if report.isWithoutKVM == true { isWithoutKVM.store(true, ordering: .relaxed) }
        let reason = report.reason.map { PlainText.sentence($0) } ?? "no reason was given"
        switch report.outcome {
        case .seen:
            guard let facts = report.facts else {
                throw ChildFailure(kind: .exited(0), text: "its report is empty")
            }
            return .seen(Seen(facts: facts, seal: report.seal, secrets: report.secrets))
        case .notPlain:
            throw ChildFailure(kind: .exited(0), text: reason)
        case .noLibrary:
            return .notChecked(
                reason: "libguestfs is not installed on this worker's host (\(reason))",
                advice: "install libguestfs-tools and linux-image-amd64 there, and try with `goldsmith doctor`",
                mayPass: false
            )
        case .noAppliance:
            return .notChecked(
                reason: "libguestfs does not start on this worker's host (\(reason))",
                advice: "run `goldsmith doctor` and libguestfs-test-tool there",
                mayPass: false
            )
        case .failed:
            let failure = report.failure ?? .transient
            return .notChecked(
                reason: "libguestfs could not finish (\(reason))",
                advice: failure.advice,
                mayPass: !failure.isPermanent
            )
        }
    }

    /// - Parameter logger: gets what the child has said, which names files of this host.
    static func inspection(
        _ failure: ChildFailure,
        _ subject: FailureSubject,
        _ logger: Logger
    ) throws(StepFailure) -> GuestInspection {
        if failure.kind != .cancelled {
            logger.notice(
                "guest not inspected",
                metadata: ["disk": "\(subject)", "said": "\(failure.text)"]
            )
        }
        switch failure.kind {
        case .cancelled: throw .interrupted("The look into \(subject)")
        case .timedOut:
            return .notChecked(
                reason: "it took too long (\(failure.text))",
                advice: "raise the setting guestTimeLimit, or run fewer workers on this host",
                mayPass: true
            )
        case .notStarted, .exited, .signalled:
            return .notChecked(
                reason: "the process that looks into it failed",
                advice: "see the worker's log, and `goldsmith doctor`",
                mayPass: true
            )
        }
    }
}
