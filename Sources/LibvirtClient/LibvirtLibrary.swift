import CLibvirt
import Glibc

/// libvirt, loaded when it is asked for: where it is not installed, everything else works without it.
struct LibvirtLibrary: Sendable {
    static let name = "libvirt.so.0"

    typealias Handle = OpaquePointer
    typealias Text = UnsafePointer<CChar>
    typealias OwnedText = UnsafeMutablePointer<CChar>
    typealias Handles = UnsafeMutablePointer<Handle?>
    typealias ErrorHandler =
        @convention(c) @Sendable (UnsafeMutableRawPointer?, UnsafeMutablePointer<goldsmith_vir_error>?) -> Void
    typealias TimerCallback = @convention(c) @Sendable (CInt, UnsafeMutableRawPointer?) -> Void

    let lastError: @convention(c) @Sendable () -> UnsafeMutablePointer<goldsmith_vir_error>?
    let setErrorHandler: @convention(c) @Sendable (UnsafeMutableRawPointer?, ErrorHandler?) -> Void
    let registerEvents: @convention(c) @Sendable () -> CInt
    let runEvents: @convention(c) @Sendable () -> CInt
    let addTimer:
        @convention(c) @Sendable (CInt, TimerCallback?, UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> CInt

    let open: @convention(c) @Sendable (Text) -> Handle?
    let close: @convention(c) @Sendable (Handle) -> CInt
    let isAlive: @convention(c) @Sendable (Handle) -> CInt
    let setKeepAlive: @convention(c) @Sendable (Handle, CInt, CUnsignedInt) -> CInt
    let hostName: @convention(c) @Sendable (Handle) -> OwnedText?
    let daemonVersion: @convention(c) @Sendable (Handle, UnsafeMutablePointer<CUnsignedLong>) -> CInt

    let listDomains: @convention(c) @Sendable (Handle, UnsafeMutablePointer<Handles?>?, CUnsignedInt) -> CInt
    let domainByName: @convention(c) @Sendable (Handle, Text) -> Handle?
    let domainByUUID: @convention(c) @Sendable (Handle, Text) -> Handle?
    let freeDomain: @convention(c) @Sendable (Handle) -> CInt
    let domainName: @convention(c) @Sendable (Handle) -> Text?
    let domainUUID: @convention(c) @Sendable (Handle, OwnedText) -> CInt
    let domainState:
        @convention(c) @Sendable (Handle, UnsafeMutablePointer<CInt>, UnsafeMutablePointer<CInt>, CUnsignedInt) -> CInt
    let domainXML: @convention(c) @Sendable (Handle, CUnsignedInt) -> OwnedText?
    let isPersistent: @convention(c) @Sendable (Handle) -> CInt
    let hasManagedSave: @convention(c) @Sendable (Handle, CUnsignedInt) -> CInt
    let blockInfo:
        @convention(c) @Sendable (Handle, Text, UnsafeMutablePointer<goldsmith_vir_block_info>, CUnsignedInt) -> CInt
    let setMetadata: @convention(c) @Sendable (Handle, CInt, Text?, Text?, Text?, CUnsignedInt) -> CInt
    let define: @convention(c) @Sendable (Handle, Text, CUnsignedInt) -> Handle?
    let undefine: @convention(c) @Sendable (Handle, CUnsignedInt) -> CInt
    let createDomain: @convention(c) @Sendable (Handle, Text, CUnsignedInt) -> Handle?
    let destroyDomain: @convention(c) @Sendable (Handle) -> CInt

    let listPools: @convention(c) @Sendable (Handle, UnsafeMutablePointer<Handles?>?, CUnsignedInt) -> CInt
    let poolByName: @convention(c) @Sendable (Handle, Text) -> Handle?
    let freePool: @convention(c) @Sendable (Handle) -> CInt
    let isPoolActive: @convention(c) @Sendable (Handle) -> CInt
    let poolXML: @convention(c) @Sendable (Handle, CUnsignedInt) -> OwnedText?
    let volumeByName: @convention(c) @Sendable (Handle, Text) -> Handle?
    let freeVolume: @convention(c) @Sendable (Handle) -> CInt
    let volumePath: @convention(c) @Sendable (Handle) -> OwnedText?
    let volumeInfo: @convention(c) @Sendable (Handle, UnsafeMutablePointer<goldsmith_vir_volume_info>?) -> CInt
    let createPool: @convention(c) @Sendable (Handle, Text, CUnsignedInt) -> Handle?
    let destroyPool: @convention(c) @Sendable (Handle) -> CInt

    let newStream: @convention(c) @Sendable (Handle, CUnsignedInt) -> Handle?
    let freeStream: @convention(c) @Sendable (Handle) -> CInt
    let download: @convention(c) @Sendable (Handle, Handle, CUnsignedLongLong, CUnsignedLongLong, CUnsignedInt) -> CInt
    let receive: @convention(c) @Sendable (Handle, OwnedText, Int, CUnsignedInt) -> CInt
    let receiveHole: @convention(c) @Sendable (Handle, UnsafeMutablePointer<CLongLong>, CUnsignedInt) -> CInt
    let finishStream: @convention(c) @Sendable (Handle) -> CInt
    let abortStream: @convention(c) @Sendable (Handle) -> CInt

    /// Loaded once, with libvirt's own events running: without them a connection would not notice that its host is gone.
    static let shared: Result<LibvirtLibrary, LibvirtError> = Result { () throws(LibvirtError) in
        let library = try LibvirtLibrary()
        try EventLoop.start(library)
        return library
    }

    private init() throws(LibvirtError) {
        guard let library = dlopen(Self.name, RTLD_NOW) else { throw Self.missing }
        lastError = try Self.find("virGetLastError", in: library)
        setErrorHandler = try Self.find("virSetErrorFunc", in: library)
        registerEvents = try Self.find("virEventRegisterDefaultImpl", in: library)
        runEvents = try Self.find("virEventRunDefaultImpl", in: library)
        addTimer = try Self.find("virEventAddTimeout", in: library)
        open = try Self.find("virConnectOpen", in: library)
        close = try Self.find("virConnectClose", in: library)
        isAlive = try Self.find("virConnectIsAlive", in: library)
        setKeepAlive = try Self.find("virConnectSetKeepAlive", in: library)
        hostName = try Self.find("virConnectGetHostname", in: library)
        daemonVersion = try Self.find("virConnectGetLibVersion", in: library)
        listDomains = try Self.find("virConnectListAllDomains", in: library)
        domainByName = try Self.find("virDomainLookupByName", in: library)
        domainByUUID = try Self.find("virDomainLookupByUUIDString", in: library)
        freeDomain = try Self.find("virDomainFree", in: library)
        domainName = try Self.find("virDomainGetName", in: library)
        domainUUID = try Self.find("virDomainGetUUIDString", in: library)
        domainState = try Self.find("virDomainGetState", in: library)
        domainXML = try Self.find("virDomainGetXMLDesc", in: library)
        isPersistent = try Self.find("virDomainIsPersistent", in: library)
        hasManagedSave = try Self.find("virDomainHasManagedSaveImage", in: library)
        blockInfo = try Self.find("virDomainGetBlockInfo", in: library)
        setMetadata = try Self.find("virDomainSetMetadata", in: library)
        define = try Self.find("virDomainDefineXMLFlags", in: library)
        undefine = try Self.find("virDomainUndefineFlags", in: library)
        createDomain = try Self.find("virDomainCreateXML", in: library)
        destroyDomain = try Self.find("virDomainDestroy", in: library)
        listPools = try Self.find("virConnectListAllStoragePools", in: library)
        poolByName = try Self.find("virStoragePoolLookupByName", in: library)
        freePool = try Self.find("virStoragePoolFree", in: library)
        isPoolActive = try Self.find("virStoragePoolIsActive", in: library)
        poolXML = try Self.find("virStoragePoolGetXMLDesc", in: library)
        volumeByName = try Self.find("virStorageVolLookupByName", in: library)
        freeVolume = try Self.find("virStorageVolFree", in: library)
        volumePath = try Self.find("virStorageVolGetPath", in: library)
        volumeInfo = try Self.find("virStorageVolGetInfo", in: library)
        createPool = try Self.find("virStoragePoolCreateXML", in: library)
        destroyPool = try Self.find("virStoragePoolDestroy", in: library)
        newStream = try Self.find("virStreamNew", in: library)
        freeStream = try Self.find("virStreamFree", in: library)
        download = try Self.find("virStorageVolDownload", in: library)
        receive = try Self.find("virStreamRecvFlags", in: library)
        receiveHole = try Self.find("virStreamRecvHole", in: library)
        finishStream = try Self.find("virStreamFinish", in: library)
        abortStream = try Self.find("virStreamAbort", in: library)
    }

    private static func find<Function>(
        _ name: String,
        in library: UnsafeMutableRawPointer
    ) throws(LibvirtError) -> Function {
        guard let symbol = dlsym(library, name) else { throw missing }
        return unsafeBitCast(symbol, to: Function.self)
    }

    private static var missing: LibvirtError {
        LibvirtError(.notInstalled, dlerror().map { String(cString: $0) } ?? "\(name) cannot be loaded")
    }

    /// What went wrong in the call that this thread has just made. libvirt keeps it for each thread.
    func failure() -> LibvirtError {
        guard let error = lastError()?.pointee else { return LibvirtError(.other, "libvirt gives no reason") }
        return LibvirtError(
            code: error.code,
            domain: error.domain,
            errno: error.number1,
            error.message.map { String(cString: $0) } ?? "libvirt gives no reason"
        )
    }

    /// Takes over a text that libvirt has allocated.
    func text(_ owned: OwnedText?) throws(LibvirtError) -> String {
        guard let owned else { throw failure() }
        defer { free(owned) }
        return String(cString: owned)
    }
}

/// libvirt's own event loop, one for the process. It sends and minds keepalive messages.
private enum EventLoop {
    static func start(_ library: LibvirtLibrary) throws(LibvirtError) {
        // Without this each error is printed as well.
        library.setErrorHandler(nil, silence)
        // Before the first connection is opened, or that one is not served.
        guard library.registerEvents() == 0 else { throw library.failure() }
        // Else it would sleep for good when it begins before there is anything to wait for.
        guard library.addTimer(1000, nothing, nil, nil) >= 0 else { throw library.failure() }
        let started = LibvirtThread.start("libvirt events") { while library.runEvents() == 0 {} }
        guard started == 0 else {
            throw LibvirtError(.other, "no thread for libvirt's events: \(String(cString: strerror(started)))")
        }
    }

    // As closures at top level these would belong to the main actor, and Swift stops a process that runs them elsewhere.
    private static let silence: LibvirtLibrary.ErrorHandler = { _, _ in }
    private static let nothing: LibvirtLibrary.TimerCallback = { _, _ in }
}
