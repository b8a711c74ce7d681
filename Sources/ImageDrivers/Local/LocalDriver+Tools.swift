import Glibc
public import ImageCore

/// The trial of what the local driver needs: children started as real ones are, `qemu-img` on a disk of a few KiB, and a
/// file made and removed in each folder that is written to.
extension LocalDriver: ToolTrial {
    public func tryTools() async -> [ToolFault]? {
        let folders = folders
        let places: [ToolFault]
        do throws(StepFailure) {
            places = try await OwnThread.run { _ in .success(Self.tryPlaces(folders)) }
        } catch {
            places = [ToolFault(.storage, error.message)]
        }
        guard let programs = await tryPrograms(canWrite: !places.contains { $0.tool == .storage }) else { return nil }
        return places + programs
    }

    public func tryGuestLook(thoroughly: Bool) async -> ToolFault? {
        guard let inspector else { return nil }
        let found = thoroughly ? await inspector.selfTest(qemuImg: qemuImg.program) : inspector.missingPart
        guard let trouble = found else { return nil }
        return Task.isCancelled ? nil : ToolFault(.guestLook, trouble.reason, advice: trouble.advice)
    }

    public func tryBoot() async -> String? {
        guard let prover else { return "this worker starts no machines for boot proofs" }
        return prover.obstacle
    }

    // MARK: Programs

    /// - Parameter canWrite: whether there is a place for a disk to try with.
    private func tryPrograms(canWrite: Bool) async -> [ToolFault]? {
        do throws(ChildFailure) {
            try await ChildProcess.tryOut()
        } catch {
            if error.kind == .cancelled { return nil }
            return [
                ToolFault(
                    .childProcess,
                    error.text.isEmpty ? "\(error.kind)" : error.text,
                    advice: "Install util-linux, and let the service's sandbox allow what setpriv and prlimit call "
                        + "(under systemd: SystemCallFilter=capset)."
                )
            ]
        }
        do throws(ChildFailure) {
            try await qemuImg.version()
            if canWrite { try await tryCopy() }
            return []
        } catch {
            if error.kind == .cancelled { return nil }
            let reason = error.text.isEmpty ? "\(error.kind)" : error.text
            guard !error.says(ENOSPC), !error.says(EDQUOT) else {
                return [ToolFault(.storage, "it is full", advice: "Free or add space at \(folders.root).")]
            }
            return [
                ToolFault(
                    .diskProgram,
                    reason,
                    advice: "Install qemu-utils again, and run qemu-img --version as the worker."
                )
            ]
        }
    }

    /// Makes a disk and copies it, where captures are made.
    private func tryCopy() async throws(ChildFailure) {
        var template = Array("\(folders.images)/.trial-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw ChildFailure(kind: .notStarted, text: "no folder for it: \(String(cString: strerror(errno)))")
        }
        let folder = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { _ = try? FileCalls.deleteTree(folder) }
        try await qemuImg.createEmpty(folder + "/disk.qcow2", mebibytes: 1)
        let disk = BlockNode.qcow2(path: folder + "/disk.qcow2", dataFile: nil, backing: nil)
        try await qemuImg.convert(disk, to: folder + "/copy.qcow2", bytesPerSecond: nil) { _ in }
    }

    // MARK: Places

    private static func tryPlaces(_ folders: LocalFolders) -> [ToolFault] {
        var faults: [ToolFault] = []
        do throws(FileFailure) {
            _ = try FileCalls.names(in: folders.instances)
            for folder in [folders.images, folders.snapshots] { try tryWriting(in: folder) }
        } catch {
            faults.append(
                ToolFault(
                    .storage,
                    "\(error.call) \(error.path): \(error.reason)",
                    advice: "Make \(folders.root) and the folders in it writable for the worker's user."
                )
            )
        }
        for (name, folder) in folders.locations {
            do throws(FileFailure) {
                try tryWriting(in: folder)
            } catch {
                let isMissing = error.code == ENOENT || error.code == ENOTDIR
                faults.append(
                    ToolFault(
                        .location(name),
                        isMissing ? "its folder is not there" : "\(error.call): \(error.reason)",
                        advice: isMissing
                            ? "Mount or create its folder." : "Make its folder writable for the worker's user."
                    )
                )
            }
        }
        return faults
    }

    /// Makes a file and removes it.
    private static func tryWriting(in folder: String) throws(FileFailure) {
        let path = "\(folder)/.trial-\(String(UInt64.random(in: .min ... .max), radix: 36))"
        _ = try OpenFile(path, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
        guard unlink(path) == 0 else { throw FileFailure("remove a file", path) }
    }
}

extension ChildProcess {
    /// Starts a child that does nothing, by the very way on which all children are started.
    static func tryOut() async throws(ChildFailure) {
        let child = ChildProcess(
            program: "/usr/bin/true",
            arguments: [],
            timeLimit: .seconds(30),
            limits: Limits(memoryBytes: 2 << 30, processorSeconds: 30)
        )
        let output = try await child.run()
        guard output.exitCode == 0 else {
            throw ChildFailure(kind: .exited(output.exitCode), text: output.errorText)
        }
    }
}
