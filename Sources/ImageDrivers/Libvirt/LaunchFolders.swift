import Glibc
import ImageCore

/// Where the disks of launched domains lie.
///
/// ```
/// <disks>/.launches/<resource>/vda.qcow2, …, domain.xml     while they are put together
/// <disks>/<resource>/vda.qcow2, …, domain.xml               once the domain is published, for good
/// ```
/// A rename leads from one to the other. The second folder belongs to the domain and is no resource any more: an
/// operator who undefines the domain and keeps its disks must not lose them to Goldsmith.
struct LaunchFolders: Sendable {
    let disks: String

    static let descriptionName = "domain.xml"

    var building: String { disks + "/.launches" }
    func building(_ id: ResourceID) -> String { building + "/" + id.text }
    func published(_ id: ResourceID) -> String { disks + "/" + id.text }

    /// libvirt gives a machine's user its disks when it starts, but that user must be able to get there.
    private static let mode: mode_t = 0o711

    func make() throws(StepFailure) {
        try filing(at: .storage) { () throws(FileFailure) in
            // An existing folder, such as the one of libvirt's default pool, keeps its rights.
            for folder in [disks, building] where try FileCalls.status(folder, followLinks: true) == nil {
                try FileCalls.makeFolder(folder)
                try FileCalls.setMode(Self.mode, of: folder)
            }
        }
    }

    /// Deletes what a dead worker left, and makes the folder for a new domain's disks.
    func emptyFolder(for id: ResourceID) async throws(StepFailure) -> String {
        try await delete(id)
        try make()
        let folder = building(id)
        try filing(at: .storage) { () throws(FileFailure) in
            try FileCalls.makeFolder(folder)
            try FileCalls.setMode(Self.mode, of: folder)
            try FileCalls.sync(building)
        }
        return folder
    }

    func delete(_ id: ResourceID) async throws(StepFailure) { try await deleteTree(building(id)) }

    /// Of a launch that failed after all.
    func deletePublished(_ id: ResourceID) async throws(StepFailure) { try await deleteTree(published(id)) }

    /// The description goes first: nothing is published without it.
    private func deleteTree(_ folder: String) async throws(StepFailure) {
        try await OwnThread.run { _ -> Result<Void, StepFailure> in
            do throws(FileFailure) {
                try FileCalls.deleteTree(folder + "/" + Self.descriptionName)
                if try FileCalls.deleteTree(folder) { try FileCalls.sync(FileCalls.folder(of: folder)) }
                return .success(())
            } catch {
                // It can change, and what is left takes room.
                var failure = StepFailure.file(error, at: .storage)
                failure.disposition = .transient
                return .failure(failure)
            }
        }
    }

    func list() throws(StepFailure) -> [Resource] {
        let names = try filing(at: .storage) { () throws(FileFailure) in try FileCalls.names(in: building) }
        return names.compactMap { name in
            guard let id = ResourceID(name), let image = id.imageID, LocalDriver.isOurs(name) else { return nil }
            return Resource(id: id, kind: .instance, imageID: image)
        }
    }

    /// Puts what was put together where it stays. Done already is success, and so is nothing to put.
    func publish(_ id: ResourceID) throws(StepFailure) {
        try filing(at: .storage) { () throws(FileFailure) in
            guard try FileCalls.status(building(id)) != nil else { return }
            try FileCalls.rename(building(id), to: published(id))
            try FileCalls.sync(disks)
            try FileCalls.sync(building)
        }
    }

    /// Gives the published description to `body`, and keeps it from being deleted meanwhile.
    /// - Returns: `false` when there is none.
    func withDescription(
        of id: ResourceID,
        _ body: (String) async throws(StepFailure) -> Void
    ) async throws(StepFailure) -> Bool {
        let path = published(id) + "/" + Self.descriptionName
        guard let file = try lock(path) else { return false }
        let bytes = try filing(at: .storage) { () throws(FileFailure) in try FileCalls.read(path, limit: 4 << 20) }
        try await body(String(decoding: bytes, as: UTF8.self))
        withExtendedLifetime(file) {}
        return true
    }

    /// Locks a description against another worker that publishes or deletes it at this moment.
    /// - Returns: `nil` when it is missing, or has just been deleted.
    func lock(_ path: String) throws(StepFailure) -> LockedFile? {
        try filing(at: .storage) { () throws(FileFailure) in
            guard try FileCalls.status(path) != nil else { return nil }
            return try LockedFile(path)
        }
    }

    /// libvirt has it now. A message that comes twice must not bring back a domain that was undefined later.
    func forgetDescription(of id: ResourceID) throws(StepFailure) {
        try filing(at: .storage) { () throws(FileFailure) in
            _ = try FileCalls.deleteTree(published(id) + "/" + Self.descriptionName)
        }
    }

    func lockDescription(of id: ResourceID) throws(StepFailure) -> LockedFile? {
        try lock(published(id) + "/" + Self.descriptionName)
    }
}

/// A file that one process at a time has locked. The kernel drops the lock with the process.
final class LockedFile: Sendable {
    private let file: OpenFile

    /// - Returns: `nil` when the file was deleted before it could be locked.
    /// - Throws: EWOULDBLOCK when another process has it.
    init?(_ path: String) throws(FileFailure) {
        file = try OpenFile(path, flags: O_RDONLY | O_NOFOLLOW)
        guard flock(file.descriptor, LOCK_EX | LOCK_NB) == 0 else { throw FileFailure("lock", path) }
        guard try file.isLinked() else { return nil }
    }
}
