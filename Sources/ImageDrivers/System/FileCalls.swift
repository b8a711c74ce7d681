import Glibc

/// A system call on a file that failed.
struct FileFailure: Error, Equatable {
    var code: CInt
    /// For example `write`.
    var call: String
    var path: String

    init(_ call: String, _ path: String, code: CInt = errno) {
        self.code = code
        self.call = call
        self.path = path
    }

    var reason: String { String(cString: strerror(code)) }
}

/// The file calls that the drivers need, each with its path in the error. They block: long loops belong on their own
/// thread.
enum FileCalls {
    struct Status: Equatable, Sendable {
        /// A device is one of blocks.
        enum Kind: Equatable, Sendable {
            case regular, folder, symlink, device, other
        }
        var kind: Kind
        var size: Int64
        /// What the file takes on disk.
        var allocatedBytes: Int64
        var device: UInt64
        var inode: UInt64
        var modifiedNanoseconds: Int64

        /// The file was not written in between. (What it takes on disk is left out: the kernel changes that by itself
        /// when it writes back what it holds.)
        func isSameContent(as other: Status) -> Bool {
            device == other.device && inode == other.inode && size == other.size
                && modifiedNanoseconds == other.modifiedNanoseconds
        }
    }

    /// - Returns: `nil` when there is nothing at `path`.
    static func status(_ path: String, followLinks: Bool = false) throws(FileFailure) -> Status? {
        var value = stat()
        let result = followLinks ? stat(path, &value) : lstat(path, &value)
        guard result == 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw FileFailure("stat", path)
        }
        let kind: Status.Kind =
            switch value.st_mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .folder
            case S_IFLNK: .symlink
            case S_IFBLK: .device
            default: .other
            }
        return Status(
            kind: kind,
            size: Int64(value.st_size),
            allocatedBytes: Int64(value.st_blocks) * 512,
            device: UInt64(value.st_dev),
            inode: UInt64(value.st_ino),
            modifiedNanoseconds: Int64(value.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(value.st_mtim.tv_nsec)
        )
    }

    /// The path with every symbolic link followed.
    static func resolved(_ path: String) throws(FileFailure) -> String {
        guard let found = realpath(path, nil) else { throw FileFailure("resolve", path) }
        defer { free(found) }
        return String(cString: found)
    }

    /// The names in a folder, sorted; none when it does not exist.
    static func names(in folder: String) throws(FileFailure) -> [String] {
        guard let stream = opendir(folder) else {
            if errno == ENOENT { return [] }
            throw FileFailure("list", folder)
        }
        defer { closedir(stream) }
        return names(in: stream)
    }

    private static func names(in stream: OpaquePointer) -> [String] {
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func makeFolder(_ path: String) throws(FileFailure) {
        guard mkdir(path, 0o700) != 0, errno != EEXIST else { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw FileFailure("create folder", path)
        }
        try makeFolder(String(path[..<slash]))
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw FileFailure("create folder", path) }
    }

    static func setMode(_ mode: mode_t, of path: String) throws(FileFailure) {
        guard chmod(path, mode) == 0 else { throw FileFailure("set the rights of", path) }
    }

    /// Deletes a file or a folder with all that is in it. Symbolic links are deleted, never followed.
    /// - Returns: whether there was anything to delete.
    @discardableResult
    static func deleteTree(_ path: String) throws(FileFailure) -> Bool {
        try deleteTree(path, in: AT_FDCWD, path, depth: 0)
    }

    /// Each level of a tree that is deleted is an open folder.
    private static let deepestTree = 100

    /// Each name is looked up in the folder that was opened: a folder that someone puts a link in the place of meanwhile
    /// leads nowhere else.
    private static func deleteTree(
        _ name: String,
        in folder: Int32,
        _ path: String,
        depth: Int
    ) throws(FileFailure) -> Bool {
        var status = stat()
        guard fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            if errno == ENOENT || errno == ENOTDIR { return false }
            throw FileFailure("stat", path)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            guard unlinkat(folder, name, 0) == 0 || errno == ENOENT else { throw FileFailure("delete", path) }
            return true
        }
        guard depth < deepestTree else { throw FileFailure("delete", path, code: ELOOP) }
        let descriptor = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0, let stream = fdopendir(descriptor) else {
            if errno == ENOENT { return false }
            if descriptor >= 0 { close(descriptor) }
            throw FileFailure("list", path)
        }
        defer { closedir(stream) }
        for name in names(in: stream) { _ = try deleteTree(name, in: descriptor, path + "/" + name, depth: depth + 1) }
        guard unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT else { throw FileFailure("delete", path) }
        return true
    }

    static func rename(_ old: String, to new: String) throws(FileFailure) {
        guard Glibc.rename(old, new) == 0 else { throw FileFailure("rename", old) }
    }

    /// Makes a file's bytes, or a folder's names, outlast a power cut.
    static func sync(_ path: String) throws(FileFailure) {
        let file = try OpenFile(path, flags: O_RDONLY)
        try file.sync()
    }

    /// - Throws: `EFBIG` when the file is larger than `limit`.
    static func read(_ path: String, limit: Int) throws(FileFailure) -> [UInt8] {
        let file = try OpenFile(path, flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = chunk.withUnsafeMutableBytes { Glibc.read(file.descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileFailure("read", path) }
            guard count > 0 else { return bytes }
            bytes.append(contentsOf: chunk.prefix(count))
            guard bytes.count <= limit else { throw FileFailure("read", path, code: EFBIG) }
        }
    }

    /// Writes a whole file or none: to a temporary name, synced, renamed, its folder synced.
    ///
    /// - Parameter isDurable: whether it is also synced. What need not outlive a power failure goes without.
    static func writeAtomically(_ bytes: [UInt8], to path: String, isDurable: Bool = true) throws(FileFailure) {
        let temporary = path + ".partial"
        let file = try OpenFile(temporary, flags: O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)
        try file.write(bytes[...], at: 0)
        if isDurable { try file.sync() }
        try rename(temporary, to: path)
        if isDurable { try sync(folder(of: path)) }
    }

    static var workingFolder: String {
        guard let found = getcwd(nil, 0) else { return "" }
        defer { free(found) }
        return String(cString: found)
    }

    static func name(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
    }

    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    /// What an unprivileged writer could still store on the file system that holds `path`.
    static func freeBytes(at path: String) throws(FileFailure) -> Int64 {
        var value = statvfs()
        guard statvfs(path, &value) == 0 else { throw FileFailure("look at the free space of", path) }
        let product = Int64(clamping: value.f_bavail).multipliedReportingOverflow(by: Int64(clamping: value.f_frsize))
        return product.overflow ? .max : product.partialValue
    }
}
