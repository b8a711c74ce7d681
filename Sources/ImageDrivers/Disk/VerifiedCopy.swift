import Crypto
import Glibc

/// Why a copy stopped before its end.
enum CopyStop: Error, Equatable {
    case cancelled
    case file(FileFailure)
}

/// A file's checksum and length.
package struct FileSum: Equatable, Sendable {
    package var sha256: String
    package var sizeBytes: Int64

    package init(sha256: String, sizeBytes: Int64) { (self.sha256, self.sizeBytes) = (sha256, sizeBytes) }
}

/// Copies and hashes files in one pass, a chunk at a time, without ever reading or writing a hole.
///
/// Blocks: to be run on a thread of its own. Looks at the flag before each chunk.
struct VerifiedCopy {
    /// Large enough that system calls cost nothing, small enough for prompt cancellation and a smooth rate.
    static let chunkBytes = 1 << 20

    var flag: CancellationFlag
    /// Called with 0 at the beginning, then after each chunk with its length.
    var onBytes: (Int64) -> Void

    /// SHA-256 of the file as it is read now.
    func sum(of path: String) throws(CopyStop) -> FileSum {
        let source = try open(path, O_RDONLY)
        var hasher = ChunkHasher(Self.chunkBytes)
        let size = try size(of: source)
        try walk(source, size: size, chunkBytes: Self.chunkBytes) { chunk, isHole throws(CopyStop) in
            if isHole { hasher.addZeros(chunk.count) } else { try hasher.add(chunk, of: source) }
        }
        return FileSum(sha256: hasher.finish(), sizeBytes: size)
    }

    /// Copies `path` to `target` and returns the sum of what can be read back *from the target*, chunk by chunk, right
    /// after it was written: so the sum proves the copy, not the source.
    ///
    /// Where the file system can, the copy shares the source's blocks and only the hashing takes time.
    func copy(_ path: String, to target: String, bytesPerSecond: Int64?) throws(CopyStop) -> FileSum {
        let source = try open(path, O_RDONLY)
        let copy = try open(target, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW)
        var hasher = ChunkHasher(Self.chunkBytes)
        var pace = Pace(bytesPerSecond: bytesPerSecond)
        let size = try size(of: source)
        var writeOut = WriteOut()
        let isShared = copy.cloneBlocks(of: source)
        if !isShared { try file { () throws(FileFailure) in try copy.setSize(size) } }
        try walk(source, size: size, chunkBytes: Self.chunkBytes(at: bytesPerSecond)) {
            chunk,
            isHole throws(CopyStop) in
            if isHole {
                // Nothing was written here and the target began empty: a hole there too.
                hasher.addZeros(chunk.count)
            } else if isShared {
                try hasher.add(chunk, of: copy)
            } else {
                try hasher.load(chunk, of: source)
                try file { () throws(FileFailure) in try copy.write(hasher.loaded(chunk.count), at: chunk.lowerBound) }
                try hasher.add(chunk, of: copy)
                try file { () throws(FileFailure) in try writeOut.add(chunk, of: copy) }
                try pace.wait(after: chunk.count, flag)
            }
        }
        try file { () throws(FileFailure) in try copy.sync() }
        return FileSum(sha256: hasher.finish(), sizeBytes: size)
    }

    /// Visits a file from its beginning to its end in chunks, each either all data or all hole.
    private func walk(
        _ source: borrowing OpenFile,
        size: Int64,
        chunkBytes: Int,
        _ visit: (Range<Int64>, Bool) throws(CopyStop) -> Void
    ) throws(CopyStop) {
        onBytes(0)
        var offset: Int64 = 0
        while offset < size {
            let data: Range<Int64>
            do throws(FileFailure) {
                data = try source.nextData(from: offset, size: size) ?? size..<size
            } catch {
                throw .file(error)
            }
            for (extent, isHole) in [(offset..<data.lowerBound, true), (data, false)] {
                var start = extent.lowerBound
                while start < extent.upperBound {
                    guard !flag.isRaised else { throw .cancelled }
                    let end = min(start + Int64(chunkBytes), extent.upperBound)
                    try visit(start..<end, isHole)
                    onBytes(end - start)
                    start = end
                }
            }
            offset = data.upperBound
        }
    }

    /// At a low rate a chunk is a quarter of a second's worth, so that progress still comes while bytes trickle.
    private static func chunkBytes(at bytesPerSecond: Int64?) -> Int {
        guard let bytesPerSecond else { return chunkBytes }
        return Int(min(Int64(chunkBytes), max(4096, bytesPerSecond / 4 / 4096 * 4096)))
    }

    private func open(_ path: String, _ flags: CInt) throws(CopyStop) -> OpenFile {
        do throws(FileFailure) { return try OpenFile(path, flags: flags) } catch { throw .file(error) }
    }

    private func size(of source: borrowing OpenFile) throws(CopyStop) -> Int64 {
        do throws(FileFailure) { return try source.size() } catch { throw .file(error) }
    }

    private func file(_ body: () throws(FileFailure) -> Void) throws(CopyStop) {
        do throws(FileFailure) { try body() } catch { throw .file(error) }
    }
}

/// A SHA-256 in the making, with the one buffer that a copy needs.
struct ChunkHasher: ~Copyable {
    private var sha = SHA256()
    private let buffer: UnsafeMutableRawBufferPointer
    private let zeros: UnsafeMutableRawBufferPointer

    init(_ chunkBytes: Int) {
        buffer = .allocate(byteCount: chunkBytes, alignment: 4096)
        zeros = .allocate(byteCount: 65536, alignment: 4096)
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit {
        buffer.deallocate()
        zeros.deallocate()
    }

    /// Reads a chunk into the buffer. A file that has become shorter is an input/output error.
    func load(_ chunk: Range<Int64>, of file: borrowing OpenFile) throws(CopyStop) {
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer[..<chunk.count])
        do throws(FileFailure) {
            let count = try file.read(into: room, at: chunk.lowerBound)
            guard count == chunk.count else { throw FileFailure("read all of", file.path, code: EIO) }
        } catch {
            throw .file(error)
        }
    }

    /// Valid until the next `load`.
    func loaded(_ count: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: buffer[..<count]) }

    mutating func add(_ chunk: Range<Int64>, of file: borrowing OpenFile) throws(CopyStop) {
        try load(chunk, of: file)
        sha.update(bufferPointer: loaded(chunk.count))
    }

    mutating func addZeros(_ count: Int) {
        var rest = count
        while rest > 0 {
            let part = min(rest, zeros.count)
            sha.update(bufferPointer: UnsafeRawBufferPointer(rebasing: zeros[..<part]))
            rest -= part
        }
    }

    func finish() -> String { Hexadecimal.text(sha.finalize()) }
}

package enum Hexadecimal {
    package static func text(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

/// Keeps a loop under a number of bytes per second.
struct Pace {
    var bytesPerSecond: Int64?
    private let began = ContinuousClock.now
    private var bytes: Int64 = 0

    init(bytesPerSecond: Int64?) { self.bytesPerSecond = bytesPerSecond }

    mutating func wait(after count: Int, _ flag: CancellationFlag) throws(CopyStop) {
        guard let bytesPerSecond, bytesPerSecond > 0 else { return }
        bytes += Int64(count)
        let due = began + .seconds(Double(bytes) / Double(bytesPerSecond))
        while ContinuousClock.now < due {
            guard !flag.isRaised else { throw .cancelled }
            // Short naps, so that a cancelled copy does not sit out its debt.
            let nap = min(due - ContinuousClock.now, .milliseconds(20)).components
            var time = timespec(tv_sec: 0, tv_nsec: max(0, Int(nap.attoseconds / 1_000_000_000)))
            nanosleep(&time, nil)
        }
    }
}
