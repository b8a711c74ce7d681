import Glibc

/// A folder for one look or one machine, gone with all that a killed QEMU has left in it.
///
/// It is locked while it is used. What a killed worker has left is no longer locked, and goes when the next place is made.
struct ScratchPlace: ~Copyable {
    private static let prefix = "goldsmith-place-"

    let path: String
    /// Open for the lock alone. Children do not inherit it, so it ends with this process.
    private let folder: Int32

    /// - Parameter workplace: the folder to make it in; a short path, because sockets lie in the new one.
    init(in workplace: String) throws(ChildFailure) {
        Self.deleteWhatWasLeft(in: workplace)
        // Another worker may take a folder for left behind between its making and its lock.
        for _ in 0..<8 {
            var template = Array("\(workplace)/\(Self.prefix)XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else { throw Self.failure(in: workplace) }
            let path = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if let folder = Self.locked(path) {
                (self.path, self.folder) = (path, folder)
                return
            }
        }
        throw Self.failure(in: workplace)
    }

    private static func failure(in workplace: String) -> ChildFailure {
        ChildFailure(kind: .notStarted, text: "no folder in \(workplace): \(String(cString: strerror(errno)))")
    }

    /// - Returns: the open folder; `nil` when it is in use, deleted, or not one of ours.
    private static func locked(_ path: String) -> Int32? {
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard folder >= 0 else { return nil }
        var status = stat()
        guard flock(folder, LOCK_EX | LOCK_NB) == 0, fstat(folder, &status) == 0, status.st_nlink > 0,
            status.st_uid == geteuid()
        else {
            close(folder)
            return nil
        }
        return folder
    }

    private static func deleteWhatWasLeft(in workplace: String) {
        guard let names = try? FileCalls.names(in: workplace) else { return }
        for name in names where name.hasPrefix(prefix) {
            guard let folder = locked(workplace + "/" + name) else { continue }
            // Where a process of the dead worker still writes, the next one is luckier.
            _ = try? FileCalls.deleteTree(workplace + "/" + name)
            close(folder)
        }
    }

    deinit {
        _ = try? FileCalls.deleteTree(path)
        close(folder)
    }
}
