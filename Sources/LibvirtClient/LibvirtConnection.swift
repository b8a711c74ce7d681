import CLibvirt

/// An open connection. Its calls block: only `LibvirtHost` makes them, on its thread.
///
/// `@unchecked`: it holds nothing but a pointer that never changes, and libvirt allows any thread to use it
/// ("virConnectPtr … thread safe").
public final class LibvirtConnection: @unchecked Sendable {
    let library: LibvirtLibrary
    let handle: LibvirtLibrary.Handle

    /// A host that does not answer for this long, in seconds times tries, has lost us. Callers are answered before; a
    /// machine that is only very busy must not lose its connections.
    private static let keepAlive: (seconds: CInt, tries: CUnsignedInt) = (5, 3)

    init(uri: String) throws(LibvirtError) {
        let library = try LibvirtLibrary.shared.get()
        guard let handle = library.open(uri) else { throw library.failure() }
        self.library = library
        self.handle = handle
        // Drivers without a daemon have none, and need none.
        _ = library.setKeepAlive(handle, Self.keepAlive.seconds, Self.keepAlive.tries)
    }

    deinit {
        // Closing sends a goodbye to the daemon, and any thread may release a connection last.
        let (library, address) = (library, UInt(bitPattern: handle))
        _ = LibvirtThread.start("libvirt close") {
            if let handle = LibvirtLibrary.Handle(bitPattern: address) { _ = library.close(handle) }
        }
    }

    var isAlive: Bool { library.isAlive(handle) == 1 }

    /// What the host calls itself.
    public func hostName() throws(LibvirtError) -> String { try library.text(library.hostName(handle)) }

    /// For example `9.0.0`.
    public func version() throws(LibvirtError) -> String {
        var number: CUnsignedLong = 0
        guard library.daemonVersion(handle, &number) == 0 else { throw library.failure() }
        return "\(number / 1_000_000).\(number / 1000 % 1000).\(number % 1000)"
    }
}
