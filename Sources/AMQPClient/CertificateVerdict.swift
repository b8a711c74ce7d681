import Glibc
import Synchronization

/// Why a broker's certificate was refused. librabbitmq tells only that it was, so OpenSSL is asked while it looks.
///
/// OpenSSL is in the process because librabbitmq is linked to it; its two functions are found there by name, so that
/// neither its headers nor a second link are needed. Where they cannot be found, the reason stays untold.
enum CertificateVerdict {
    private typealias Callback = @Sendable @convention(c) (CInt, OpaquePointer?) -> CInt
    private typealias SetVerify = @Sendable @convention(c) (UnsafeMutableRawPointer, CInt, Callback?) -> Void
    private typealias GetError = @Sendable @convention(c) (OpaquePointer?) -> CInt

    /// What was found on each thread that connects now. A callback of OpenSSL's has no place for what is ours.
    private static let found = Mutex<[pthread_t: CInt]>([:])

    private static let setVerify = find("SSL_CTX_set_verify", as: SetVerify.self)
    private static let getError = find("X509_STORE_CTX_get_error", as: GetError.self)
    private static let verifyPeer: CInt = 1

    private static func find<Function>(_ name: String, as type: Function.Type) -> Function? {
        dlsym(nil, name).map { unsafeBitCast($0, to: type) }
    }

    /// Has the next handshake of this thread over a socket with this context watched.
    static func watch(_ context: UnsafeMutableRawPointer?) {
        found.withLock { $0[pthread_self()] = nil }
        guard let context, let setVerify, getError != nil else { return }
        setVerify(context, verifyPeer) { isGood, store in
            guard isGood == 0, let getError = CertificateVerdict.getError else { return isGood }
            let error = getError(store)
            CertificateVerdict.found.withLock { found in
                if found[pthread_self()] == nil { found[pthread_self()] = error }
            }
            return 0
        }
    }

    /// What was wrong with the certificate that this thread was shown last; `nil` when nothing was.
    static func take(for host: String) -> String? {
        guard let error = found.withLock({ $0.removeValue(forKey: pthread_self()) }) else { return nil }
        return sentence(error, host)
    }

    static func anotherHost(_ host: String) -> String { "the broker's certificate is for another host than '\(host)'" }

    /// By OpenSSL's numbers (X509_V_ERR_…), which do not change.
    static func sentence(_ error: CInt, _ host: String) -> String {
        switch error {
        case 9: "the broker's certificate is not valid yet: is this machine's clock right?"
        case 10: "the broker's certificate has expired: renew it on the broker"
        case 18: "the broker's certificate is signed by itself, and is not among the trusted authorities (amqpCaFile)"
        case 2, 19, 20, 21: "the broker's certificate is not signed by an authority that is trusted (amqpCaFile)"
        // Newer versions of librabbitmq have OpenSSL compare names, older ones do it themselves.
        case 62, 64: anotherHost(host)
        case 23: "the broker's certificate was revoked"
        default: "the broker's certificate is refused (OpenSSL's verification error \(error))"
        }
    }
}
