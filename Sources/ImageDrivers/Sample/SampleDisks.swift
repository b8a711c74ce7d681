import Glibc
import ImageCore

/// Makes a sample's disks in its folder, with the tools that make real ones.
struct SampleDisks: Sendable {
    var id: InstanceID
    var folder: String
    var subject: FailureSubject
    var qemuImg: QemuImg
    var gauge: ProgressGauge

    /// Where the first partition begins, as every partitioning tool of today aligns it.
    private static let partitionOffset: Int64 = 1 << 20

    /// A GPT disk whose one partition is an ext4 root.
    func makeSystemDisk(_ content: SampleContent, mebibytes: Int) async throws(StepFailure) {
        let tree = folder + "/tree"
        let raw = folder + "/system.raw"
        // A margin for ext4's own tables, and the last MiB for the second partition table.
        let size = Int64(max(1024, mebibytes + mebibytes / 4 + 256)) << 20
        let partitionBytes = size - 2 * Self.partitionOffset
        let gauge = gauge
        try await onThread { flag throws(CopyStop) in
            try content.write(to: tree, mebibytes: mebibytes, flag: flag) { gauge.add($0) }
            try Self.makeEmpty(raw, size: size)
        }
        var uuids = SampleBytes("\(content.id)/partition")
        let table = """
            label: gpt
            label-id: \(uuids.uuid())
            start=\(Self.partitionOffset / 512), size=\(partitionBytes / 512), type=L, uuid=\(uuids.uuid()), name=root

            """
        try await run("/usr/sbin/sfdisk", ["-q", "--no-reread", "--no-tell-kernel", raw], input: table)
        try await makeFileSystem(
            raw,
            uuid: content.rootUUID,
            from: tree,
            offset: Self.partitionOffset,
            bytes: partitionBytes
        )
        gauge.add(Int64(mebibytes) << 20)
        try await finish(raw, .system, mebibytes: mebibytes)
        try filing(at: subject) { () throws(FileFailure) in _ = try FileCalls.deleteTree(tree) }
    }

    /// A data disk: with an ext4 file system where `uuid` is given, else with plain data as a database would keep it.
    func makeDataDisk(_ device: DeviceName, uuid: String?, mebibytes: Int) async throws(StepFailure) {
        let raw = folder + "/\(device.shortName).raw"
        let tree = folder + "/tree"
        let size = Int64(max(256, mebibytes * 2)) << 20
        let name = "\(id)/\(device.shortName)"
        let gauge = gauge
        try await onThread { flag throws(CopyStop) in
            try Self.makeEmpty(raw, size: size)
            if uuid != nil {
                do throws(FileFailure) { try FileCalls.makeFolder(tree) } catch { throw .file(error) }
            }
            try SampleContent.writeBytes(
                to: uuid == nil ? raw : tree + "/table.bin",
                offset: uuid == nil ? 4 << 20 : 0,
                mebibytes: mebibytes,
                name: name,
                flag: flag
            ) { gauge.add($0) }
        }
        if let uuid {
            try await makeFileSystem(raw, uuid: uuid, from: tree, offset: 0, bytes: size)
            try filing(at: subject) { () throws(FileFailure) in _ = try FileCalls.deleteTree(tree) }
        }
        gauge.add(Int64(mebibytes) << 20)
        try await finish(raw, device, mebibytes: mebibytes)
    }

    private static func makeEmpty(_ path: String, size: Int64) throws(CopyStop) {
        do throws(FileFailure) {
            try OpenFile(path, flags: SampleContent.creation).setSize(size)
        } catch {
            throw .file(error)
        }
    }

    private func makeFileSystem(
        _ raw: String,
        uuid: String,
        from tree: String,
        offset: Int64,
        bytes: Int64
    ) async throws(StepFailure) {
        try await run(
            "/usr/sbin/mkfs.ext4",
            [
                "-q", "-F", "-b", "4096", "-J", "size=8", "-U", uuid, "-E",
                "offset=\(offset),hash_seed=\(uuid),root_owner=0:0,lazy_itable_init=1", "-d", tree, raw,
                "\(bytes / 1024)k",
            ]
        )
    }

    /// Turns the raw file into the disk and deletes it.
    private func finish(_ raw: String, _ device: DeviceName, mebibytes: Int) async throws(StepFailure) {
        let target = folder + "/" + LocalFolders.fileName(device)
        try await running(on: subject) { () async throws(ChildFailure) in
            try await qemuImg.convert(.raw(path: raw), to: target, bytesPerSecond: nil) { _ in gauge.add(0) }
        }
        gauge.add(Int64(mebibytes) << 20)
        try filing(at: subject) { () throws(FileFailure) in
            try FileCalls.sync(target)
            try FileCalls.deleteTree(raw)
        }
    }

    private func run(_ program: String, _ arguments: [String], input: String = "") async throws(StepFailure) {
        let output = try await running(on: subject) { () async throws(ChildFailure) in
            try await ChildProcess(program: program, arguments: arguments, input: input).run()
        }
        guard output.exitCode == 0 else {
            throw StepFailure(
                .permanent,
                .unavailable,
                "\(program) failed on the sample's disk (\(output.errorText)).",
                advice: "Install fdisk and e2fsprogs, and look whether the disk is full."
            )
        }
    }

    private func onThread(
        _ body: @escaping @Sendable (CancellationFlag) throws(CopyStop) -> Void
    ) async throws(StepFailure) {
        let subject = subject
        try await OwnThread.run { flag -> Result<Void, StepFailure> in
            do throws(CopyStop) { return .success(try body(flag)) } catch { return .failure(.copy(error, at: subject)) }
        }
    }
}
