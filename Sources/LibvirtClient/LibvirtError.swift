/// Why libvirt could not do what it was asked.
public struct LibvirtError: Error, Equatable, Sendable {
    public enum Kind: Equatable, Sendable {
        /// The library is not on this machine.
        case notInstalled
        /// The host, or its daemon, does not answer, or not in time. It may later.
        case unreachable
        /// This user may not.
        case denied
        /// There is no such domain, pool or volume.
        case notFound
        /// Not in the state in which the domain is.
        case invalidState
        /// The caller stopped waiting for the answer.
        case cancelled
        case other
    }

    public var kind: Kind
    /// libvirt's `virErrorNumber`, and the part of it that failed; 0 where libvirt was not asked.
    public var code: Int32
    public var domain: Int32
    /// The system's error number, of failures that have one.
    public var errno: Int32
    /// In libvirt's words. They may name files and users of the host.
    public var message: String

    init(_ kind: Kind, _ message: String) {
        self.kind = kind
        (code, domain, errno) = (0, 0, 0)
        self.message = message
    }

    init(code: Int32, domain: Int32, errno: Int32, _ message: String) {
        self.code = code
        self.domain = domain
        self.errno = errno
        self.message = message
        let isConnection = domain == Part.rpc || domain == Part.remote
        kind =
            switch code {
            // A missing socket, or a connection that has ended.
            case Number.systemError where isConnection && Self.rights.contains(errno): .denied
            case Number.systemError where isConnection, Number.internalError where isConnection: .unreachable
            case Number.noConnect, Number.invalidConnection: .unreachable
            case Number.authFailed, Number.authCancelled, Number.authUnavailable, Number.accessDenied,
                Number.operationDenied:
                .denied
            case Number.noDomain, Number.noPool, Number.noVolume: .notFound
            case Number.operationInvalid: .invalidState
            default: .other
            }
    }

    /// Whether a pool, or a volume in it, was not there, or another pool was in its place.
    var isOfPools: Bool {
        [Number.operationFailed, Number.noPool, Number.noVolume, Number.operationInvalid].contains(code)
    }
    var isNoVolume: Bool { code == Number.noVolume }
    /// ENOENT and ENOTDIR, of a call on the host's files.
    var isNoFolder: Bool { code == Number.systemError && [2, 20].contains(errno) && kind == .other }

    /// EPERM and EACCES.
    private static let rights: Set<Int32> = [1, 13]

    /// `virErrorDomain`
    private enum Part {
        static let rpc: Int32 = 7
        static let remote: Int32 = 13
    }

    /// `virErrorNumber`
    private enum Number {
        static let internalError: Int32 = 1
        static let noConnect: Int32 = 5
        static let invalidConnection: Int32 = 6
        static let operationFailed: Int32 = 9
        static let operationDenied: Int32 = 29
        static let systemError: Int32 = 38
        static let noDomain: Int32 = 42
        static let authFailed: Int32 = 45
        static let noPool: Int32 = 49
        static let noVolume: Int32 = 50
        static let operationInvalid: Int32 = 55
        static let authCancelled: Int32 = 79
        static let accessDenied: Int32 = 88
        static let authUnavailable: Int32 = 94
    }
}
