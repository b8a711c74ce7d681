import Glibc
import LibvirtClient

/// Writes and hashes a file as it comes from another host, in one pass.
///
/// Blocks: to be run on a thread of its own. Looks at the flag many times a second.
struct ReceivedCopy {
    /// Why it stopped before its end.
    enum Stop: Error, Equatable {
        case copy(CopyStop)
        case host(LibvirtError)
    }

    var flag: CancellationFlag
    /// Called with 0 at the beginning, then after each piece with its length.
    var onBytes: (Int64) -> Void

    /// Writes what comes to `target` and returns the sum of what can be read back *from the target*, as
    /// `VerifiedCopy.copy` does. Holes are left holes.
    func write(_ download: LibvirtDownload, to target: String, bytesPerSecond: Int64?) throws(Stop) -> FileSum {
        let copy = try stopping { () throws(CopyStop) in try create(target) }
        // A piece is 256 KiB at most.
        var hasher = ChunkHasher(VerifiedCopy.chunkBytes)
        var pace = Pace(bytesPerSecond: bytesPerSecond)
        var writeOut = WriteOut()
        var offset: Int64 = 0
        onBytes(0)
        while let piece = try next(of: download) {
            let chunk = offset..<offset + piece.count
            try stopping { () throws(CopyStop) in
                switch piece {
                case .hole: try hasher.addZeros(chunk.count, unless: flag)
                case .data(let bytes):
                    try file { () throws(FileFailure) in try copy.write(bytes[...], at: chunk.lowerBound) }
                    try hasher.add(chunk, of: copy)
                    try file { () throws(FileFailure) in try writeOut.add(chunk, of: copy) }
                    try pace.wait(after: chunk.count, flag)
                }
            }
            onBytes(piece.count)
            offset = chunk.upperBound
        }
        let size = offset
        try stopping { () throws(CopyStop) in
            try file { () throws(FileFailure) in
                // A last hole was not written.
                try copy.setSize(size)
                try copy.sync()
            }
        }
        return FileSum(sha256: hasher.finish(), sizeBytes: size)
    }

    /// All of a small file.
    /// - Throws: when it has more than `limit` bytes.
    func bytes(of download: LibvirtDownload, limit: Int) throws(Stop) -> [UInt8] {
        var whole: [UInt8] = []
        while let piece = try next(of: download) {
            guard piece.count <= Int64(limit - whole.count) else {
                throw .copy(.file(FileFailure("read all of", "a file beside a capture", code: EFBIG)))
            }
            switch piece {
            case .data(let bytes): whole += bytes
            case .hole(let count): whole += [UInt8](repeating: 0, count: Int(count))
            }
        }
        return whole
    }

    private func next(of download: LibvirtDownload) throws(Stop) -> FilePiece? {
        do throws(LibvirtError) {
            return try download.next { flag.isRaised }
        } catch {
            throw error.kind == .cancelled ? .copy(.cancelled) : .host(error)
        }
    }

    private func create(_ path: String) throws(CopyStop) -> OpenFile {
        do throws(FileFailure) {
            return try OpenFile(path, flags: O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW)
        } catch {
            throw .file(error)
        }
    }

    private func file(_ body: () throws(FileFailure) -> Void) throws(CopyStop) {
        do throws(FileFailure) { try body() } catch { throw .file(error) }
    }

    private func stopping<Value: ~Copyable>(_ body: () throws(CopyStop) -> Value) throws(Stop) -> Value {
        do throws(CopyStop) { return try body() } catch { throw .copy(error) }
    }
}

extension ChunkHasher {
    /// A hole of a file can be as long as the file.
    fileprivate mutating func addZeros(_ count: Int, unless flag: CancellationFlag) throws(CopyStop) {
        var rest = count
        while rest > 0 {
            guard !flag.isRaised else { throw .cancelled }
            let part = min(rest, VerifiedCopy.chunkBytes)
            addZeros(part)
            rest -= part
        }
    }
}
