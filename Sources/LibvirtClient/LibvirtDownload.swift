/// A file of another host on its way here, over a connection and on a thread of its own.
///
/// A call of libvirt's cannot be cancelled: as with `LibvirtHost`, who waits here is answered in time, and a thread that
/// hangs is left behind. Ask the host something short before, so that no thread is begun for one that is known to hang.
public final class LibvirtDownload: Sendable {
    /// A host that sends nothing for this long, in the middle of a file too, is given up.
    public static let silenceLimit = Duration.seconds(15)

    /// libvirt's client takes what comes and keeps it in memory without bound while its caller is busy (576 MiB were seen
    /// for a slow reader of a file of 800). So a file is asked for in parts, and this is the bound.
    static let windowBytes: Int64 = 32 << 20

    private let queue = PieceQueue(limit: 8)
    private let uri: String

    /// - Parameter sizeBytes: as it must be; `nil` for a small file, which is sent at once.
    public init(_ file: HostFile, sizeBytes: Int64?, from host: LibvirtHost) {
        uri = host.uri
        let (queue, uri) = (queue, uri)
        let started = LibvirtThread.start("libvirt file") {
            do throws(LibvirtError) {
                try Self.send(file, sizeBytes, from: uri, to: queue)
                queue.end(nil)
            } catch {
                queue.end(error)
            }
        }
        if started != 0 { queue.end(LibvirtError(.other, "no thread for libvirt")) }
    }

    deinit { queue.stop() }

    /// The next part of the file, `nil` after the last. Blocks.
    ///
    /// - Parameter isCancelled: looked at ten times a second.
    /// - Throws: `unreachable` after ``silenceLimit``. A file that is shorter than it must be just ends early.
    public func next(unless isCancelled: () -> Bool) throws(LibvirtError) -> FilePiece? {
        let giveUpAt = ContinuousClock.now + Self.silenceLimit
        while ContinuousClock.now < giveUpAt {
            guard !isCancelled() else { throw LibvirtError(.cancelled, "cancelled") }
            switch queue.take(within: .milliseconds(100)) {
            case .piece(let piece): return piece
            case .end(nil): return nil
            case .end(let error?): throw error
            case .nothing: continue
            }
        }
        throw LibvirtError(.unreachable, "\(uri) sends nothing")
    }

    private static func send(
        _ file: HostFile,
        _ sizeBytes: Int64?,
        from uri: String,
        to queue: PieceQueue
    ) throws(LibvirtError) {
        let connection = try LibvirtConnection(uri: uri)
        guard let sizeBytes else {
            _ = try connection.receive(file, from: 0, count: 0, queue.give)
            return
        }
        var offset: Int64 = 0
        while offset < sizeBytes, !queue.isStopped {
            let count = min(windowBytes, sizeBytes - offset)
            guard try connection.receive(file, from: offset, count: count, queue.give) == count else { return }
            offset += count
        }
    }
}
