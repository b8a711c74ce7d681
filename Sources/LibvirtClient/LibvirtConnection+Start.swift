extension LibvirtConnection {
    /// Starts a domain that is not kept, and ends it at once if it does start.
    /// - Returns: in libvirt's words, why it did not; `nil` when it did.
    public func refusalOfStart(_ xml: String) throws(LibvirtError) -> String? {
        guard let domain = library.createDomain(handle, xml, 0) else {
            let error = library.failure()
            guard error.kind != .unreachable, error.kind != .denied else { throw error }
            return error.message
        }
        defer { _ = library.freeDomain(domain) }
        guard library.destroyDomain(domain) == 0 else { throw library.failure() }
        return nil
    }
}
