import CLibvirt
import Glibc

/// A file of a host, which its libvirt sends as a volume of a pool over the file's folder.
public struct HostFile: Equatable, Sendable {
    /// An absolute path on the host.
    public var folder: String
    public var name: String
    /// The name of the pool. It is there for the milliseconds in which a file is opened. All who fetch from one folder
    /// give the same name, since libvirt has one pool a folder at most; so what a dead process left is taken over.
    public var pool: String

    public init(folder: String, name: String, pool: String) {
        (self.folder, self.name, self.pool) = (folder, name, pool)
    }

    fileprivate var poolDescription: String {
        let target = XMLElement("target", [:], [XMLElement("path", text: folder)])
        return XMLElement("pool", ["type": "dir"], [XMLElement("name", text: pool), target]).document
    }
}

extension LibvirtConnection {
    /// What a file takes on its disk.
    /// - Throws: `notFound` when there is no such file.
    public func allocatedBytes(of file: HostFile) throws(LibvirtError) -> Int64 {
        try withVolume(of: file) { volume throws(LibvirtError) in
            var info = goldsmith_vir_volume_info()
            guard library.volumeInfo(volume, &info) == 0 else { throw library.failure() }
            return Int64(clamping: info.allocation)
        }
    }

    /// Destroys a pool that a process left when it ended while it opened a file. Its files stay. No such pool is success.
    public func forgetPool(_ name: String) throws(LibvirtError) {
        guard let pool = library.poolByName(handle, name) else {
            let error = library.failure()
            guard error.kind == .notFound else { throw error }
            return
        }
        defer { _ = library.freePool(pool) }
        guard library.destroyPool(pool) == 0 else { throw library.failure() }
    }

    /// Others may make, use and destroy the same pool at this moment: then it is tried again.
    func withVolume<Value>(
        of file: HostFile,
        _ body: (LibvirtLibrary.Handle) throws(LibvirtError) -> Value
    ) throws(LibvirtError) -> Value {
        var tries = 0
        while true {
            var isOurs = false
            do throws(LibvirtError) {
                let pool = try openPool(of: file, &isOurs)
                defer {
                    _ = library.destroyPool(pool)
                    _ = library.freePool(pool)
                }
                guard let volume = library.volumeByName(pool, file.name) else { throw library.failure() }
                defer { _ = library.freeVolume(volume) }
                return try body(volume)
            } catch {
                if error.isNoFolder { throw LibvirtError(.notFound, error.message) }
                // One that another has made may have been destroyed since, or be older than the file.
                let isFinal = !error.isOfPools || isOurs && error.isNoVolume
                tries += 1
                guard !isFinal, tries < Self.mostTries else { throw error }
                usleep(UInt32(tries) * 5000)
            }
        }
    }

    private static let mostTries = 20

    private func openPool(of file: HostFile, _ isOurs: inout Bool) throws(LibvirtError) -> LibvirtLibrary.Handle {
        if let pool = library.createPool(handle, file.poolDescription, 0) {
            isOurs = true
            return pool
        }
        let refusal = library.failure()
        guard refusal.isOfPools, let pool = library.poolByName(handle, file.pool) else { throw refusal }
        return pool
    }
}
