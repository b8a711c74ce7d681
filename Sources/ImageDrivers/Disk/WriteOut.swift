/// Keeps the disk busy while a file is written from its beginning to its end.
///
/// Left to itself, the kernel collects what is written and writes it all at the sync: the disk waits for the processor
/// first and the processor for the disk afterwards. Here each window is handed to the disk as soon as it is full, and
/// the one before it is waited for and let go of. So what is written holds two windows of memory, whatever its size, and
/// is never far ahead of its disk. (What is read stays in memory as the kernel likes.)
struct WriteOut {
    /// Large enough for any disk's queue; the last sync has two of them to wait for at most.
    static let windowBytes: Int64 = 16 << 20

    /// The window on its way: what lies before it is on the disk.
    private var begun: Range<Int64> = 0..<0
    /// Bytes, without holes, since its end.
    private var written: Int64 = 0

    /// - Parameter chunk: what has just been written; it begins where the last one ended, or after a hole.
    mutating func add(_ chunk: Range<Int64>, of file: borrowing OpenFile) throws(FileFailure) {
        written += Int64(chunk.count)
        guard written >= Self.windowBytes else { return }
        let window = begun.upperBound..<chunk.upperBound
        try file.beginWriteOut(window)
        if !begun.isEmpty { try file.finishWriteOut(begun) }
        begun = window
        written = 0
    }
}
