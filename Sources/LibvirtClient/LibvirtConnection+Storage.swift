import CLibvirt
import Glibc

extension LibvirtConnection {
    /// The descriptions of the pools that are active.
    public func activePools() throws(LibvirtError) -> [String] {
        var list: LibvirtLibrary.Handles?
        let count = library.listPools(handle, &list, 2)  // VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE
        guard count >= 0, let list else { throw library.failure() }
        let pools = (0..<Int(count)).compactMap { list[$0] }
        free(list)
        defer { for pool in pools { _ = library.freePool(pool) } }
        // One that vanishes meanwhile is not active any more.
        return pools.compactMap { try? library.text(library.poolXML($0, 0)) }
    }

    /// Where a volume of a pool lies.
    /// - Throws: `notFound` when there is no such pool or volume, `invalidState` when the pool is not active.
    public func path(ofVolume volume: String, inPool pool: String) throws(LibvirtError) -> String {
        try with(volume, inPool: pool) { volume throws(LibvirtError) in try library.text(library.volumePath(volume)) }
    }

    /// The size that a guest sees of a volume, as it was when libvirt last looked through the pool.
    /// - Throws: as `path(ofVolume:inPool:)`.
    public func bytes(ofVolume volume: String, inPool pool: String) throws(LibvirtError) -> Int64 {
        try with(volume, inPool: pool) { volume throws(LibvirtError) in
            var info = goldsmith_vir_volume_info()
            guard library.volumeInfo(volume, &info) == 0 else { throw library.failure() }
            return Int64(clamping: info.capacity)
        }
    }

    private func with<Value>(
        _ name: String,
        inPool pool: String,
        _ body: (LibvirtLibrary.Handle) throws(LibvirtError) -> Value
    ) throws(LibvirtError) -> Value {
        guard let pool = library.poolByName(handle, pool) else { throw library.failure() }
        defer { _ = library.freePool(pool) }
        let isActive = library.isPoolActive(pool)
        guard isActive >= 0 else { throw library.failure() }
        guard isActive == 1 else { throw LibvirtError(.invalidState, "the pool is not active") }
        guard let volume = library.volumeByName(pool, name) else { throw library.failure() }
        defer { _ = library.freeVolume(volume) }
        return try body(volume)
    }
}
