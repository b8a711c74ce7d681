import CExt2fs
import Glibc

/// The part of a disk that libext2fs sees. It gets no file: all that it reads comes through here.
final class Ext2Window {
    /// What libext2fs calls to read.
    let manager: UnsafeMutablePointer<goldsmith_io_manager>
    private let export: NBDExport
    private let offset: Int64
    private let size: Int64

    init(_ export: NBDExport, offset: Int64, size: Int64) {
        self.export = export
        self.offset = offset
        self.size = size
        manager = .allocate(capacity: 1)
        manager.initialize(to: Self.functions)
    }

    deinit { manager.deallocate() }

    /// libext2fs opens by name. The name is this window's address, so that nothing has to be kept for the whole process.
    var name: String { String(UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()), radix: 16) }

    private static var functions: goldsmith_io_manager {
        var manager = goldsmith_io_manager()
        manager.magic = goldsmith_ext2_io_manager
        manager.open = open
        manager.close = close
        manager.set_block_size = setBlockSize
        manager.read = { channel, block, count, bytes in Ext2Window.read(channel, UInt64(block), count, bytes) }
        manager.read64 = { channel, block, count, bytes in Ext2Window.read(channel, block, count, bytes) }
        manager.flush = { _ in 0 }
        return manager
    }

    private static let open:
        @convention(c) @Sendable (
            UnsafePointer<CChar>?, CInt, UnsafeMutablePointer<UnsafeMutablePointer<goldsmith_io_channel>?>?
        ) -> Int = { name, _, result in
            guard let name, let address = UInt(String(cString: name), radix: 16),
                let data = UnsafeMutableRawPointer(bitPattern: address)
            else { return Int(EINVAL) }
            let channel = UnsafeMutablePointer<goldsmith_io_channel>.allocate(capacity: 1)
            channel.initialize(to: goldsmith_io_channel())
            channel.pointee.magic = goldsmith_ext2_io_channel
            channel.pointee.manager = Unmanaged<Ext2Window>.fromOpaque(data).takeUnretainedValue().manager
            channel.pointee.name = strdup(name)
            channel.pointee.block_size = 1024
            channel.pointee.references = 1
            channel.pointee.data = data
            result?.pointee = channel
            return 0
        }

    private static let close: @convention(c) @Sendable (UnsafeMutablePointer<goldsmith_io_channel>?) -> Int = {
        channel in
        guard let channel else { return 0 }
        channel.pointee.references -= 1
        guard channel.pointee.references <= 0 else { return 0 }
        free(channel.pointee.name)
        channel.deallocate()
        return 0
    }

    private static let setBlockSize:
        @convention(c) @Sendable (UnsafeMutablePointer<goldsmith_io_channel>?, CInt) -> Int = { channel, size in
            channel?.pointee.block_size = size
            return 0
        }

    /// - Parameter count: of blocks; of bytes where it is negative.
    private static func read(
        _ channel: UnsafeMutablePointer<goldsmith_io_channel>?,
        _ block: UInt64,
        _ count: CInt,
        _ bytes: UnsafeMutableRawPointer?
    ) -> Int {
        guard let channel, let bytes, let data = channel.pointee.data else { return Int(EINVAL) }
        let blockSize = Int(channel.pointee.block_size)
        let length = count < 0 ? -Int(count) : Int(count) * blockSize
        let (start, isTooFar) = block.multipliedReportingOverflow(by: UInt64(blockSize))
        guard !isTooFar, let start = Int64(exactly: start) else { return goldsmith_ext2_short_read }
        let window = Unmanaged<Ext2Window>.fromOpaque(data).takeUnretainedValue()
        let room = UnsafeMutableRawBufferPointer(start: bytes, count: length)
        return window.read(at: start, into: room) ? 0 : goldsmith_ext2_short_read
    }

    private func read(at start: Int64, into room: UnsafeMutableRawBufferPointer) -> Bool {
        guard start <= size, Int64(room.count) <= size - start else { return false }
        do throws(GuestTrouble) { try export.read(at: offset + start, into: room) } catch { return false }
        return true
    }
}
