import Foundation
import Glibc
import OperatorConsole
import SystemPackage

/// A file of users that commands change: whole or not at all, one command at a time, and for its owner's eyes only.
struct UsersFileOnDisk {
    private let name: String
    private let path: String
    private let folder: String

    init(_ file: String) {
        name = file
        // A link's target is what is replaced, not the link.
        let url = URL(fileURLWithPath: file).resolvingSymlinksInPath()
        path = url.path
        folder = url.deletingLastPathComponent().path
    }

    /// What is in it; nothing where there is no file yet.
    func text() throws(CommandFailure) -> String {
        guard let bytes = FileManager.default.contents(atPath: path) else {
            guard access(path, F_OK) != 0, errno == ENOENT, access(folder, W_OK) == 0 else { throw refused("read") }
            return ""
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Adds the account, or puts it in place of the one that has its name.
    func set(_ account: Account) throws(CommandFailure) -> UsersFile.Change {
        let lock: FileDescriptor
        do { lock = try FileDescriptor.open(FilePath(folder), .readOnly, options: [.directory, .closeOnExec]) } catch {
            throw refused("open the folder of")
        }
        defer { try? lock.close() }
        // Released when it is closed, also by the end of the process.
        guard flock(lock.rawValue, LOCK_EX) == 0 else { throw refused("lock") }
        let changed: (text: String, change: UsersFile.Change)
        do { changed = try UsersFile.text(try text(), with: account) } catch let failure as CommandFailure {
            throw failure
        } catch let problem as Accounts.Problem {
            throw CommandFailure(
                .usage,
                "\(name), line \(problem.line): \(problem.message)",
                advice: "nothing was changed"
            )
        } catch {
            throw CommandFailure(.failed, "\(name): \(error)")
        }
        try replace(with: changed.text)
        guard fsync(lock.rawValue) == 0 else { throw refused("keep") }
        return changed.change
    }

    private func replace(with text: String) throws(CommandFailure) {
        var before = stat()
        let isThere = stat(path, &before) == 0
        let draft = path + ".new"
        unlink(draft)
        do {
            let file = try FileDescriptor.open(
                FilePath(draft),
                .writeOnly,
                options: [.create, .exclusiveCreate, .noFollow, .closeOnExec],
                permissions: [.ownerReadWrite]
            )
            try file.closeAfter {
                // The console's user must be able to read it, also after another user has changed it.
                if isThere, before.st_uid != geteuid() || before.st_gid != getegid() {
                    guard fchown(file.rawValue, before.st_uid, before.st_gid) == 0 else { throw Errno(rawValue: errno) }
                }
                try file.writeAll(text.utf8)
                guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
            }
            guard rename(draft, path) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            unlink(draft)
            throw refused("write", error)
        }
    }

    private func refused(_ what: String, _ error: any Error = Errno(rawValue: errno)) -> CommandFailure {
        CommandFailure(
            .usage,
            "cannot \(what) \(name): \(error)",
            advice: "is its folder there, and may this user write it? Nothing was changed"
        )
    }
}
