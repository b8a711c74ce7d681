import ImageCore
import LibvirtClient
import Logging

extension LibvirtDriver {
    /// What a disk of a domain is to the reader of disks.
    /// - Throws: `FAILED_PRECONDITION` for each kind that is not captured, with the reason.
    func reader(
        for attached: DomainInstance.AttachedDisk,
        of domain: DomainInstance
    ) async throws(StepFailure) -> (reader: SourceDiskReader, file: InstanceFile.Attached) {
        let disk = attached.disk
        let subject = FailureSubject.disk(attached.device, domain.id)
        guard !disk.isPassedThrough else {
            throw .notCapturable(subject, "is a device that the guest has for itself (\(disk.target), passed through)")
        }
        guard !disk.isEncrypted else { throw .notCapturable(subject, "is encrypted") }
        guard !disk.isSlice else { throw .notCapturable(subject, "is a slice of its file") }
        guard let format = DiskFormat(rawValue: disk.format) else {
            throw .notCapturable(
                subject,
                "has the format \(PlainText.sentence(disk.format)), not qcow2 or raw",
                advice: "Convert it with qemu-img convert -O qcow2, and change the domain to the copy."
            )
        }
        let told = try await path(of: disk, subject)
        // A domain's description may name any file of the host; a link to one gives no further rights.
        let path = (try? FileCalls.resolved(told)) ?? told
        try await requireSole(path, disk, in: domain, subject)
        let reader = SourceDiskReader(
            qemuImg: local.qemuImg,
            folder: FileCalls.folder(of: path),
            instance: domain.id,
            pools: try await poolFolders()
        )
        if case .block = disk.source, format != .raw || disk.backing?.isEmpty == false {
            throw .notCapturable(
                subject,
                "is a block device with the format \(PlainText.sentence(disk.format)), of which raw alone is captured",
                advice: "Copy it into a qcow2 file with qemu-img convert, and change the domain to the copy."
            )
        }
        let file = InstanceFile.Attached(
            device: attached.device,
            kind: attached.kind,
            file: path,
            format: format,
            autoDelete: attached.autoDelete
        )
        if let backing = disk.backing { try await requireSame(backing, as: file, with: reader, subject) }
        return (reader, file)
    }

    private func path(of disk: DomainDisk, _ subject: FailureSubject) async throws(StepFailure) -> String {
        let path: String
        switch disk.source {
        case .file(let file): path = file
        case .volume(let pool, let volume): path = try await self.path(ofVolume: volume, inPool: pool, subject)
        case .block(let device): path = device
        case .network(let kind):
            throw .notCapturable(
                subject,
                "is on the network (\(PlainText.sentence(kind))): only files on the worker's host are captured",
                advice: "Leave it out of the image, or copy it into a qcow2 file with qemu-img convert."
            )
        case .other(let kind):
            throw .notCapturable(subject, "is of the kind \(PlainText.sentence(kind)), which is not captured")
        case .nothing: throw .notCapturable(subject, "has nothing in it")
        }
        guard path.hasPrefix("/") else { throw .notCapturable(subject, "has no absolute path") }
        return path
    }

    private func path(ofVolume volume: String, inPool pool: String, _ subject: FailureSubject) async throws(StepFailure)
        -> String
    {
        do throws(LibvirtError) {
            return try await host.run { host throws(LibvirtError) in try host.path(ofVolume: volume, inPool: pool) }
        } catch {
            switch error.kind {
            case .invalidState:
                throw StepFailure(
                    .transient,
                    .unavailable,
                    "\(subject) lies in a storage pool that is not active.",
                    advice: "Start it with `virsh pool-start`.",
                    isFixedByAdvice: true
                )
            case .notFound:
                throw StepFailure(.permanent, .notFound, "\(subject) lies in a pool or volume that is not there.")
            default: throw .libvirt(error, "find a volume")
            }
        }
    }

    /// The folders of the host's active pools: a chain of backing files may use each of them.
    private func poolFolders() async throws(StepFailure) -> [String] {
        let pools = try await ask("list its storage pools") { host throws(LibvirtError) in try host.activePools() }
        return pools.compactMap { description in
            guard let pool = try? XMLElement(parsing: description), pool["type"] != "logical",
                let path = pool.first("target", "path")?.text, path.hasPrefix("/"), path != "/dev"
            else { return nil }
            return path
        }
    }

    /// One file in two domains: the other may be started any time, and may be another owner's.
    private func requireSole(
        _ path: String,
        _ disk: DomainDisk,
        in domain: DomainInstance,
        _ subject: FailureSubject
    ) async throws(StepFailure) {
        let records = try await ask("list its domains") { host throws(LibvirtError) in try host.domains() }
        let own = try? FileCalls.resolved(path)
        for record in records {
            guard let xml = try? DomainXML(record.xml) else { continue }
            for other in xml.disks where record.uuid != domain.record.uuid || other.target != disk.target {
                let isSame =
                    other.source == disk.source
                    || other.source.path.map { $0 == path || (own != nil && (try? FileCalls.resolved($0)) == own) }
                        == true
                guard isSame else { continue }
                logger.notice(
                    "a disk is in two domains",
                    metadata: ["domain": "\(domain.id)", "other": "\(PlainText.sentence(record.name))"]
                )
                throw .sharedFile(subject)
            }
        }
    }

    /// A description that spells out the backing files counts more to libvirt than the files' own headers, which are what
    /// is read here. They have to say the same.
    private func requireSame(
        _ backing: [String?],
        as file: InstanceFile.Attached,
        with reader: SourceDiskReader,
        _ subject: FailureSubject
    ) async throws(StepFailure) {
        let found = Array(try await reader.open(file).node.files.map(\.path).dropFirst())
        let told = backing.map { $0.flatMap { try? FileCalls.resolved($0) } }
        guard told.count == found.count, zip(told, found).allSatisfy({ $0 == $1 }) else {
            throw .notCapturable(
                subject,
                "is described with other backing files than its own header names",
                advice: "Take <backingStore> out of the domain's description, or correct the file with qemu-img rebase."
            )
        }
    }
}

extension DomainDisk.Source {
    var path: String? {
        switch self {
        case .file(let path), .block(let path): path
        case .volume, .network, .other, .nothing: nil
        }
    }
}

extension BlockNode {
    /// The topmost file's.
    var path: String {
        switch self {
        case .raw(let path), .device(let path), .layer(let path), .qcow2(let path, _, _): path
        }
    }
}
