import CLibvirt

/// A part of a file that was sent.
public enum FilePiece: Sendable {
    case data([UInt8])
    case hole(Int64)

    public var count: Int64 {
        switch self {
        case .data(let bytes): Int64(bytes.count)
        case .hole(let count): count
        }
    }
}

extension LibvirtConnection {
    /// Receives a part of a file.
    /// - Parameters:
    ///   - count: 0 for the rest of the file.
    ///   - take: is given one piece after another; `false` ends it.
    /// - Returns: how many bytes came: fewer than asked for where the file ends, or where `take` ended it.
    func receive(
        _ file: HostFile,
        from offset: Int64,
        count: Int64,
        _ take: (FilePiece) -> Bool
    ) throws(LibvirtError) -> Int64 {
        let stream = try withVolume(of: file) { volume throws(LibvirtError) in
            guard let stream = library.newStream(handle, 0) else { throw library.failure() }
            let flags = CUnsignedInt(1)  // VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM
            guard library.download(volume, stream, UInt64(offset), UInt64(count), flags) == 0 else {
                let error = library.failure()
                _ = library.freeStream(stream)
                throw error
            }
            return stream
        }
        defer { _ = library.freeStream(stream) }
        var received: Int64 = 0
        while let piece = try nextPiece(of: stream) {
            received += piece.count
            // Who waits for a part has room for that part.
            guard count == 0 || received <= count else {
                _ = library.abortStream(stream)
                throw LibvirtError(.other, "it sends more than was asked for")
            }
            guard take(piece) else {
                _ = library.abortStream(stream)
                return received
            }
        }
        guard library.finishStream(stream) == 0 else { throw library.failure() }
        return received
    }

    /// The most that one message of the stream holds.
    private static let pieceBytes = 256 << 10

    private func nextPiece(of stream: LibvirtLibrary.Handle) throws(LibvirtError) -> FilePiece? {
        var result: CInt = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: Self.pieceBytes) { buffer, count in
            buffer.withMemoryRebound(to: CChar.self) { room in
                guard let start = room.baseAddress else { return }
                result = library.receive(stream, start, room.count, 1)  // VIR_STREAM_RECV_STOP_AT_HOLE
            }
            count = max(0, Int(result))
        }
        if result == -3 {
            var count: CLongLong = 0
            guard library.receiveHole(stream, &count, 0) == 0 else { throw library.failure() }
            return .hole(count)
        }
        // A stream with an error has ended already.
        guard result >= 0 else { throw library.failure() }
        return result == 0 ? nil : .data(bytes)
    }
}
