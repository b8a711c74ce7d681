import FoundationEssentials
public import ImageCore

extension LocalDriver {
    /// Makes a real instance to try things with: a partitioned system disk with an ext4 root, and data disks of which
    /// every other one holds a file system. The same id gives the same content.
    ///
    /// It is built under a hidden name and appears whole, or not at all.
    /// - Parameters:
    ///   - dataDisks: 0 … 64 cloud disks from `/dev/vdb` on.
    ///   - mebibytes: how much the system disk's files hold, 0 … 1 048 576; each data disk holds an eighth of it.
    ///   - isFaulty: whether the guest checks find something: without its data disks and its network card it would not
    ///     start as it should.
    /// - Throws: `DUPLICATE` when there is such an instance.
    public func makeSample(
        id: InstanceID,
        owner: Owner,
        systemKind: DiskKind = .local,
        dataDisks: Int = 0,
        mebibytes: Int = 64,
        isFaulty: Bool = false,
        status: InstanceStatus = .stopped,
        progress: @escaping @Sendable (CopyProgress) -> Void = { _ in }
    ) async throws(StepFailure) -> Instance {
        guard (0...DeviceName.lastPosition).contains(dataDisks), (0...1_048_576).contains(mebibytes) else {
            throw StepFailure(.permanent, .outOfRange, "A sample has 0 to 64 data disks and 0 to 1048576 MiB of files.")
        }
        let subject = FailureSubject.instance(id)
        let final = folders.instance(id)
        guard try filing(at: subject, { () throws(FileFailure) in try FileCalls.status(final) }) == nil else {
            throw Self.exists(id)
        }
        // An identifier never begins with a dot, so this is no instance.
        let making = folders.instances + "/.making-" + id.text
        try filing(at: subject) { () throws(FileFailure) in
            try FileCalls.deleteTree(making)
            try FileCalls.makeFolder(making)
        }
        do throws(StepFailure) {
            try await fill(
                making,
                id: id,
                owner: owner,
                systemKind: systemKind,
                dataDisks: dataDisks,
                mebibytes: mebibytes,
                isFaulty: isFaulty,
                status: status,
                progress: progress
            )
            try filing(at: subject) { () throws(FileFailure) in
                try FileCalls.rename(making, to: final)
                try FileCalls.sync(folders.instances)
            }
        } catch {
            // A half-made sample is useless; only the reason of its failure counts.
            _ = try? FileCalls.deleteTree(making)
            if (try? FileCalls.status(final)) ?? nil != nil { throw Self.exists(id) }
            throw error
        }
        return try await describe(id)
    }

    private func fill(
        _ folder: String,
        id: InstanceID,
        owner: Owner,
        systemKind: DiskKind,
        dataDisks: Int,
        mebibytes: Int,
        isFaulty: Bool,
        status: InstanceStatus,
        progress: @escaping @Sendable (CopyProgress) -> Void
    ) async throws(StepFailure) {
        let devices = (1..<(dataDisks + 1)).compactMap { DeviceName(position: $0) }
        let perDisk = dataDisks == 0 ? 0 : max(1, mebibytes / 8)
        // Each byte is generated, put into a file system, and converted.
        let gauge = ProgressGauge(totalBytes: Int64(3 * (mebibytes + perDisk * dataDisks)) << 20, progress)
        let disks = SampleDisks(id: id, folder: folder, subject: .instance(id), qemuImg: qemuImg, gauge: gauge)
        var uuids = SampleBytes("\(id)/file-systems")
        let rootUUID = uuids.uuid()
        var mounts: [DeviceName: String] = [:]
        for device in devices where device.position % 2 == 1 { mounts[device] = uuids.uuid() }

        let content = SampleContent(id: id, rootUUID: rootUUID, mounts: mounts, isFaulty: isFaulty)
        try await disks.makeSystemDisk(content, mebibytes: mebibytes)
        for device in devices {
            try await disks.makeDataDisk(device, uuid: mounts[device], mebibytes: perDisk)
        }
        let description = Description(
            id: id,
            owner: owner,
            status: status,
            disks: ([(DeviceName.system, systemKind)] + devices.map { ($0, .cloud) }).map { device, kind in
                Description.Line(device: device, kind: kind, file: LocalFolders.fileName(device), format: .qcow2)
            }
        )
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let bytes = try? encoder.encode(description) else {
            throw StepFailure(.permanent, .internal, "The sample's description could not be written.")
        }
        try filing(at: .instance(id)) { () throws(FileFailure) in
            try FileCalls.writeAtomically(Array(bytes), to: folder + "/instance.json")
        }
        gauge.finish()
    }

    private static func exists(_ id: InstanceID) -> StepFailure {
        StepFailure(.permanent, .duplicate, "There is an instance \(id) already.", advice: "Choose another id.")
    }

    /// `instance.json` as this driver writes it; `InstanceFile` reads it.
    private struct Description: Encodable {
        var id: InstanceID
        var owner: Owner
        var status: InstanceStatus
        var disks: [Line]

        struct Line: Encodable {
            var device: DeviceName
            var kind: DiskKind
            var file: String
            var format: DiskFormat
            var autoDelete = true
        }
    }
}
