import CLinux
import Glibc

/// An open file, closed when its owner lets go of it.
struct OpenFile: ~Copyable {
    let descriptor: CInt
    let path: String

    init(_ path: String, flags: CInt) throws(FileFailure) {
        var opened: CInt
        repeat { opened = open(path, flags | O_CLOEXEC, 0o600) } while opened < 0 && errno == EINTR
        guard opened >= 0 else { throw FileFailure("open", path) }
        descriptor = opened
        self.path = path
    }

    deinit { close(descriptor) }

    func sync() throws(FileFailure) {
        guard fsync(descriptor) == 0 else { throw FileFailure("sync", path) }
    }

    /// Asks the disk to take what was written in `range`, or in all of the file. Does not wait until it has, but for
    /// room in its queue: not for the cooperative pool. Nothing is safe before `sync` has returned: the file's own data are not written here, and the disk may hold its in a cache.
    func beginWriteOut(_ range: Range<Int64> = 0..<0) throws(FileFailure) {
        try writeOut(range, goldsmith_write_out_begin)
    }

    /// Waits until the disk has taken what was written in `range`, and releases its memory.
    ///
    /// - Throws: also when the disk has refused it. The kernel tells that once, so a later `sync` may not say it again.
    func finishWriteOut(_ range: Range<Int64>) throws(FileFailure) {
        try writeOut(range, goldsmith_write_out_wait)
        // Only advice: a file system that does not take it keeps the pages.
        _ = posix_fadvise(descriptor, off_t(range.lowerBound), off_t(range.count), POSIX_FADV_DONTNEED)
    }

    private func writeOut(_ range: Range<Int64>, _ flags: CUnsignedInt) throws(FileFailure) {
        guard sync_file_range(descriptor, range.lowerBound, Int64(range.count), flags) != 0 else { return }
        // Some file systems in user space do not know the call: there the last sync does all the work.
        guard errno == ENOSYS || errno == EINVAL || errno == EOPNOTSUPP else { throw FileFailure("write", path) }
    }

    func size() throws(FileFailure) -> Int64 {
        var value = stat()
        guard fstat(descriptor, &value) == 0 else { throw FileFailure("stat", path) }
        return Int64(value.st_size)
    }

    /// Where a device ends, in bytes.
    func end() throws(FileFailure) -> Int64 {
        let end = lseek(descriptor, 0, SEEK_END)
        guard end >= 0 else { throw FileFailure("measure", path) }
        return Int64(end)
    }

    /// Whether it still has a name.
    func isLinked() throws(FileFailure) -> Bool {
        var value = stat()
        guard fstat(descriptor, &value) == 0 else { throw FileFailure("stat", path) }
        return value.st_nlink > 0
    }

    func setSize(_ size: Int64) throws(FileFailure) {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw FileFailure("resize", path) }
    }

    /// Fills `buffer` as far as the file goes.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(FileFailure) -> Int {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let count = pread(descriptor, rest.baseAddress, rest.count, off_t(offset + Int64(done)))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileFailure("read", path) }
            guard count > 0 else { break }
            done += count
        }
        return done
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(FileFailure) {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count = pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + Int64(done)))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileFailure("write", path) }
            done += count
        }
    }

    func write(_ bytes: ArraySlice<UInt8>, at offset: Int64) throws(FileFailure) {
        let result = bytes.withUnsafeBytes { raw -> Result<Void, FileFailure> in
            do throws(FileFailure) { return .success(try write(raw, at: offset)) } catch { return .failure(error) }
        }
        try result.get()
    }

    /// The next stretch of data at or after `offset`, or `nil` when only a hole is left. A file system that knows no
    /// holes answers with all the rest.
    func nextData(from offset: Int64, size: Int64) throws(FileFailure) -> Range<Int64>? {
        // SEEK_DATA and SEEK_HOLE: the overlay does not import them, the kernel's numbers are fixed.
        let data = lseek(descriptor, off_t(offset), 3)
        guard data >= 0 else {
            if errno == ENXIO { return nil }
            if errno == EINVAL { return offset < size ? offset..<size : nil }
            throw FileFailure("seek in", path)
        }
        guard data < size else { return nil }
        let hole = lseek(descriptor, data, 4)
        guard hole > data else { return Int64(data)..<size }
        return Int64(data)..<min(Int64(hole), size)
    }

    /// Makes this file share all of `source`'s blocks, on a file system that can (XFS, Btrfs).
    func cloneBlocks(of source: borrowing OpenFile) -> Bool {
        ioctl(descriptor, Self.fileClone, source.descriptor) == 0
    }

    /// `FICLONE`, `_IOW(0x94, 9, int)`: a macro that Swift cannot import.
    private static let fileClone: UInt = 0x4004_9409

    /// Whether another process announces by QEMU's lock protocol that it writes to this file or resizes it.
    ///
    /// QEMU announces its permissions as open-file-description locks on single bytes from 100 on, in the order of its
    /// permission bits: 101 is "I write", 103 "I resize". `qemu-img` looks at them by itself for qcow2, but reads a
    /// raw disk under a writer without a word.
    func isBeingWritten() -> Bool {
        [101, 103].contains { byte in
            var lock = flock()
            lock.l_type = Int16(F_WRLCK)
            lock.l_whence = Int16(SEEK_SET)
            lock.l_start = off_t(byte)
            lock.l_len = 1
            // F_OFD_GETLK. A file system without such locks answers with an error, and then there is no such lock.
            return fcntl(descriptor, 36, &lock) == 0 && lock.l_type != Int16(F_UNLCK)
        }
    }

    /// Claims by QEMU's lock protocol that no other process may write to this file or resize it while it is open.
    ///
    /// A program that wants to, such as a virtual machine that is being started, is then refused by itself; one that only
    /// reads is not. Bytes from 200 on stand for what is not shared, in the order of the permission bits. Nothing has to
    /// be given back: the kernel drops the lock with its holder, however that ends.
    /// - Returns: `false` when another process holds a conflicting lock.
    func keepFromWriters() throws(FileFailure) -> Bool {
        for byte in [201, 203] {
            var lock = flock()
            lock.l_type = Int16(F_RDLCK)
            lock.l_whence = Int16(SEEK_SET)
            lock.l_start = off_t(byte)
            lock.l_len = 1
            // F_OFD_SETLK
            guard fcntl(descriptor, 37, &lock) != 0 else { continue }
            if errno == EAGAIN || errno == EACCES { return false }
            throw FileFailure("lock", path)
        }
        return true
    }
}
