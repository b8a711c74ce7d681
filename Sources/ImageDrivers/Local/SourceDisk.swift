import Glibc
import ImageCore

/// An inspected disk with all its files, each inside its instance's folder.
struct SourceDisk: Equatable, Sendable {
    /// The files at the first look: any later difference means that the disk was written to.
    var files: [String: FileCalls.Status]
    /// The whole chain, spelled out.
    var node: BlockNode
    var virtualSizeBytes: Int64
    /// Every qcow2 file of the chain by itself, for `qemu-img check`.
    var layers: [Layer]

    struct Layer: Equatable, Sendable {
        var node: BlockNode
        /// The file's name, as people find it in the instance's folder.
        var name: String
        /// Whether it was not closed properly: its reference counts may be wrong, and a repair of them loses nothing.
        var isDirty: Bool
    }
}

/// Opens disks of instances, whose files are not trusted.
struct SourceDiskReader: Sendable {
    var qemuImg: QemuImg
    /// Where a file without a path is looked for, and where a disk's files may lie.
    var folder: String
    var instance: InstanceID
    /// More folders in which a disk's files may lie.
    var pools: [String] = []

    /// Long chains are slow but legal; a loop would never end.
    static let longestChain = 64

    /// Looks at one layer after the other and at each file name *before* QEMU opens it. (`qemu-img info
    /// --backing-chain` would have opened a backing file `nbd:…` or `/etc/shadow` by the time it could be refused.)
    func open(_ disk: InstanceFile.Attached) async throws(StepFailure) -> SourceDisk {
        let subject = FailureSubject.disk(disk.device, instance)
        var files: [String: FileCalls.Status] = [:]
        var chain: [(path: String, format: DiskFormat, dataFile: String?, isDirty: Bool)] = []
        var virtualSize: Int64 = 0
        var next: (name: String, format: DiskFormat)? = (disk.file, disk.format)
        while let (name, format) = next {
            let isTop = chain.isEmpty
            let base = chain.last.map { FileCalls.folder(of: $0.path) } ?? folder
            let path = try member(name, of: base, isFromHeader: !isTop, subject)
            guard files[path] == nil, chain.count < Self.longestChain else {
                throw refused(subject, "has a backing chain that is a loop or longer than \(Self.longestChain) files")
            }
            files[path] = try idleStatus(path, subject)
            let look: BlockNode = format == .raw ? .raw(path: path) : .qcow2(path: path, dataFile: nil, backing: nil)
            let info = try await running(on: subject) { () async throws(ChildFailure) in try await qemuImg.info(look) }
            if isTop { virtualSize = info.virtualSize }
            guard format == .qcow2 else {
                chain.append((path, format, nil, false))
                break
            }
            guard info.isEncrypted != true else { throw refused(subject, "is encrypted") }
            guard info.specific?.data?.corrupt != true else { throw .corrupt(subject) }
            var dataFile: String?
            if let name = info.specific?.data?.dataFile {
                let path = try member(name, of: FileCalls.folder(of: path), isFromHeader: true, subject)
                files[path] = try idleStatus(path, subject)
                dataFile = path
            }
            chain.append((path, format, dataFile, info.isDirty == true))
            next = try backing(of: info, subject)
        }
        let qcow2 = chain.filter { $0.format == .qcow2 }
        let whole = chain.reversed().reduce(nil as BlockNode?) { below, layer in
            layer.format == .raw
                ? .raw(path: layer.path) : .qcow2(path: layer.path, dataFile: layer.dataFile, backing: below)
        }
        guard let whole else { throw refused(subject, "is made of no file") }
        return SourceDisk(
            files: files,
            node: whole,
            virtualSizeBytes: virtualSize,
            layers: qcow2.map { layer in
                SourceDisk.Layer(
                    node: .qcow2(path: layer.path, dataFile: layer.dataFile, backing: nil),
                    name: FileCalls.name(of: layer.path),
                    isDirty: layer.isDirty
                )
            }
        )
    }

    /// Opens a disk, takes hold of its files, and checks every layer of it: corruption is found in its tables before any
    /// byte is copied. The files are looked at once more when the hold is taken: a start that came in between is seen.
    /// - Parameter onActivity: called while a long check reads.
    func openHeld(
        _ disk: InstanceFile.Attached,
        onActivity: (@Sendable () -> Void)? = nil
    ) async throws(StepFailure) -> (SourceDisk, WriteHold) {
        let subject = FailureSubject.disk(disk.device, instance)
        let source = try await open(disk)
        let hold = try WriteHold(source, subject)
        guard isUnchanged(source) else { throw .beingWritten(subject) }
        try await requireSound(source, subject, onActivity: onActivity)
        return (source, hold)
    }

    private func requireSound(
        _ source: SourceDisk,
        _ subject: FailureSubject,
        onActivity: (@Sendable () -> Void)? = nil
    ) async throws(StepFailure) {
        for layer in source.layers {
            let soundness = try await running(on: subject) { () async throws(ChildFailure) in
                try await qemuImg.check(layer.node, onActivity: onActivity)
            }
            guard soundness != .corrupt else {
                throw layer.isDirty ? .notClosed(subject, file: layer.name) : .corrupt(subject, file: layer.name)
            }
        }
    }

    /// The size the guest sees, also of a disk that is in use.
    func virtualSize(_ disk: InstanceFile.Attached) async throws(StepFailure) -> Int64 {
        let subject = FailureSubject.disk(disk.device, instance)
        let path = try member(disk.file, of: folder, isFromHeader: false, subject)
        _ = try regularStatus(path, subject)
        let node: BlockNode = disk.format == .raw ? .raw(path: path) : .qcow2(path: path, dataFile: nil, backing: nil)
        return try await running(on: subject) { () async throws(ChildFailure) in
            try await qemuImg.info(node, isShared: true).virtualSize
        }
    }

    /// Whether a guest or any other process wrote to the disk since it was opened.
    func isUnchanged(_ disk: SourceDisk) -> Bool {
        disk.files.allSatisfy { path, status in
            ((try? FileCalls.status(path)) ?? nil)?.isSameContent(as: status) == true
                && (try? OpenFile(path, flags: O_RDONLY).isBeingWritten()) == false
        }
    }

    func requireUnchanged(_ disk: SourceDisk, _ subject: FailureSubject) throws(StepFailure) {
        guard isUnchanged(disk) else {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "\(subject) was written while it was captured.",
                advice: "Keep the instance stopped until its disks are captured, then retry the image."
            )
        }
    }

    private func backing(
        of info: QemuImg.Info,
        _ subject: FailureSubject
    ) throws(StepFailure) -> (name: String, format: DiskFormat)? {
        guard let name = info.backingFile else { return nil }
        guard let format = info.backingFormat.flatMap(DiskFormat.init(rawValue:)) else {
            throw refused(
                subject,
                "has a backing file whose format is not given as qcow2 or raw",
                advice: "Name the format with qemu-img rebase -u -F."
            )
        }
        return (name, format)
    }

    /// The file behind a name in an instance's description or in a qcow2 header, with all links followed.
    private func member(
        _ name: String,
        of base: String,
        isFromHeader: Bool,
        _ subject: FailureSubject
    ) throws(StepFailure) -> String {
        // In a header QEMU takes what stands before a colon for a protocol: `nbd:…`, `json:…`, `https:…`.
        if isFromHeader, name.prefix(while: { $0 != "/" }).contains(":") {
            throw refused(
                subject,
                "is backed by something that is no file, \(PlainText.sentence(name))",
                advice: "Bring the whole disk into its instance's folder, for example with qemu-img convert."
            )
        }
        let path = name.hasPrefix("/") ? name : base + "/" + name
        let resolved: String
        do throws(FileFailure) {
            guard !name.utf8.contains(0) else { throw FileFailure("resolve", name, code: EINVAL) }
            resolved = try FileCalls.resolved(path)
        } catch  where error.code == ENOENT || error.code == ENOTDIR {
            throw StepFailure(
                .permanent,
                .notFound,
                "\(subject) has no file \(PlainText.sentence(name)).",
                advice: "Restore the file, or correct the instance's description."
            )
        } catch  where error.code == ELOOP || error.code == EINVAL || error.code == ENAMETOOLONG {
            throw refused(subject, "names a file that cannot be followed, \(PlainText.sentence(name))")
        } catch {
            throw .file(error, at: subject)
        }
        let homes = ([folder] + pools).compactMap { try? FileCalls.resolved($0) }
        guard homes.contains(where: { resolved.hasPrefix($0 == "/" ? $0 : $0 + "/") }) else {
            let home = pools.isEmpty ? "its instance's folder" : "its folder and the host's active storage pools"
            throw refused(
                subject,
                "uses a file outside \(home), \(PlainText.sentence(name))",
                advice: "Bring the whole disk into the folder, for example with qemu-img rebase or convert."
            )
        }
        return resolved
    }

    private func regularStatus(_ path: String, _ subject: FailureSubject) throws(StepFailure) -> FileCalls.Status {
        guard let status = try filing(at: subject, { () throws(FileFailure) in try FileCalls.status(path) }),
            status.kind == .regular
        else {
            throw refused(subject, "is not a regular file")
        }
        return status
    }

    private func idleStatus(_ path: String, _ subject: FailureSubject) throws(StepFailure) -> FileCalls.Status {
        let status = try regularStatus(path, subject)
        let isBeingWritten = try filing(at: subject) { () throws(FileFailure) in
            try OpenFile(path, flags: O_RDONLY | O_NONBLOCK).isBeingWritten()
        }
        guard !isBeingWritten else { throw .beingWritten(subject) }
        return status
    }

    private func refused(_ subject: FailureSubject, _ problem: String, advice: String? = nil) -> StepFailure {
        StepFailure(.permanent, .failedPrecondition, "\(subject) \(problem).", advice: advice)
    }
}

extension StepFailure {
    /// - Parameter file: the corrupt one of its files, when that is known.
    static func corrupt(_ disk: FailureSubject, file: String? = nil) -> StepFailure {
        StepFailure(
            .permanent,
            .failedPrecondition,
            "\(disk) is corrupt\(file.map { ": its file \(PlainText.sentence($0))" } ?? "").",
            advice: "Repair it with qemu-img check -r, or restore it, then retry the image."
        )
    }

    /// Reference counts that lag behind, after a crash of the disk's last writer (`lazy_refcounts`). All that was
    /// written is there; only the owner may repair it, since the source is never written to.
    static func notClosed(_ disk: FailureSubject, file: String) -> StepFailure {
        StepFailure(
            .permanent,
            .failedPrecondition,
            "\(disk) was not closed properly: its file \(PlainText.sentence(file)) was still open in a program that ended.",
            advice:
                "Run `qemu-img check -r all` on \(PlainText.sentence(file)), or start and stop the instance once, then "
                + "retry the image."
        )
    }
}
