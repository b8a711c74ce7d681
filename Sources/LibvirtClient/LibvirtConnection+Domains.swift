import CLibvirt
import Glibc

/// What a domain does.
public enum DomainState: Int32, Sendable {
    case none, running, blocked, paused, shuttingDown, shutOff, crashed, suspended
}

/// A domain as it was when it was looked at.
public struct DomainRecord: Sendable {
    public var name: String
    public var uuid: String
    public var state: DomainState
    /// Whether a start of it is under way, which may still fail: until then its state is `paused`.
    public var isStarting: Bool
    /// Whether it is still there when it is stopped.
    public var isPersistent: Bool
    /// Whether its memory is saved, so that its next start goes on where it was. (What the state gives as a reason still
    /// says so after the saved memory was removed.)
    public var hasSavedMemory: Bool
    /// What it is started with the next time.
    public var xml: String
}

extension LibvirtConnection {
    /// All domains. One that vanishes meanwhile is left out.
    public func domains() throws(LibvirtError) -> [DomainRecord] {
        var list: LibvirtLibrary.Handles?
        let count = library.listDomains(handle, &list, 0)
        guard count >= 0, let list else { throw library.failure() }
        let domains = (0..<Int(count)).compactMap { list[$0] }
        free(list)
        defer { for domain in domains { _ = library.freeDomain(domain) } }
        var records: [DomainRecord] = []
        for domain in domains {
            if let record = try found({ () throws(LibvirtError) in try record(of: domain) }) { records.append(record) }
        }
        return records
    }

    public func domain(named name: String) throws(LibvirtError) -> DomainRecord? {
        try found { () throws(LibvirtError) in try with(library.domainByName(handle, name), record) }
    }

    public func domain(uuid: String) throws(LibvirtError) -> DomainRecord? {
        try found { () throws(LibvirtError) in try with(library.domainByUUID(handle, uuid), record) }
    }

    /// The size of a disk as the guest sees it, by the name of its target. The domain may be running or not.
    public func diskBytes(_ target: String, ofDomain uuid: String) throws(LibvirtError) -> Int64 {
        try with(library.domainByUUID(handle, uuid)) { domain throws(LibvirtError) in
            var info = goldsmith_vir_block_info()
            guard library.blockInfo(domain, target, &info, 0) == 0 else { throw library.failure() }
            return Int64(clamping: info.capacity)
        }
    }

    /// Creates a domain, or replaces the description of one with the same name and UUID, in one step.
    public func define(_ xml: String) throws(LibvirtError) {
        try with(library.define(handle, xml, Flag.validate)) { _ in }
    }

    /// Removes a domain that is not running, with all that libvirt keeps beside its description, but not its disks.
    public func undefine(uuid: String) throws(LibvirtError) {
        try with(library.domainByUUID(handle, uuid)) { domain throws(LibvirtError) in
            guard library.undefine(domain, Flag.undefineAll) == 0 else { throw library.failure() }
        }
    }

    /// Puts one element into a domain's metadata, in the place of an earlier one of that namespace.
    public func setMetadata(
        _ element: String?,
        namespace: String,
        prefix: String,
        ofDomain uuid: String
    ) throws(LibvirtError) {
        try with(library.domainByUUID(handle, uuid)) { domain throws(LibvirtError) in
            let (part, flags) = (Flag.metadataElement, Flag.affectsConfig)
            guard library.setMetadata(domain, part, element, prefix, namespace, flags) == 0 else {
                throw library.failure()
            }
        }
    }

    /// Lends a reference that libvirt has just given, and gives it back.
    private func with<Value>(
        _ domain: LibvirtLibrary.Handle?,
        _ body: (LibvirtLibrary.Handle) throws(LibvirtError) -> Value
    ) throws(LibvirtError) -> Value {
        guard let domain else { throw library.failure() }
        defer { _ = library.freeDomain(domain) }
        return try body(domain)
    }

    private func found<Value>(_ body: () throws(LibvirtError) -> Value) throws(LibvirtError) -> Value? {
        do throws(LibvirtError) {
            return try body()
        } catch {
            guard error.kind == .notFound else { throw error }
            return nil
        }
    }

    private func record(of domain: LibvirtLibrary.Handle) throws(LibvirtError) -> DomainRecord {
        var uuid = [CChar](repeating: 0, count: 37)
        var (state, reason): (CInt, CInt) = (0, 0)
        let isPersistent = library.isPersistent(domain)
        guard let name = library.domainName(domain), library.domainUUID(domain, &uuid) == 0,
            library.domainState(domain, &state, &reason, 0) == 0, isPersistent >= 0
        else { throw library.failure() }
        let saved = isPersistent == 1 ? library.hasManagedSave(domain, 0) : 0
        guard saved >= 0 else { throw library.failure() }
        return DomainRecord(
            name: String(cString: name),
            uuid: String(decoding: uuid.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self),
            state: DomainState(rawValue: state) ?? .none,
            isStarting: state == DomainState.paused.rawValue && reason == Flag.pausedForStart,
            isPersistent: isPersistent == 1,
            hasSavedMemory: saved == 1,
            xml: try library.text(library.domainXML(domain, Flag.inactive))
        )
    }

    private enum Flag {
        /// VIR_DOMAIN_PAUSED_STARTING_UP
        static let pausedForStart: CInt = 11
        /// VIR_DOMAIN_XML_INACTIVE
        static let inactive: CUnsignedInt = 2
        /// VIR_DOMAIN_DEFINE_VALIDATE
        static let validate: CUnsignedInt = 1
        /// VIR_DOMAIN_UNDEFINE_MANAGED_SAVE, …_SNAPSHOTS_METADATA, …_NVRAM and …_CHECKPOINTS_METADATA
        static let undefineAll: CUnsignedInt = 1 | 2 | 4 | 16
        /// VIR_DOMAIN_METADATA_ELEMENT
        static let metadataElement: CInt = 2
        /// VIR_DOMAIN_AFFECT_CONFIG
        static let affectsConfig: CUnsignedInt = 2
    }
}
