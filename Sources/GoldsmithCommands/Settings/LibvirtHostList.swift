import Foundation
import ImageCore

/// The libvirt hosts of an installation, as people write them: `h1=qemu:///system,h2=qemu+tls://h2/system`. A comma in a
/// URI is written `%2C`.
struct LibvirtHostList: Equatable, Sendable {
    /// At least one.
    let uris: [HostName: LibvirtURI]
    var names: [HostName] { uris.keys.sorted() }

    /// - Throws: what is wrong, in a sentence.
    init(_ text: String) throws(Rejection) {
        var uris: [HostName: LibvirtURI] = [:]
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            guard pair.count == 2 else {
                throw Self.malformed("'\(PlainText.word(pair[0]))' must be a name, = and a URI")
            }
            guard let name = HostName(pair[0]) else {
                throw Self.malformed("'\(PlainText.word(pair[0]))' is no name of a host; \(HostName.sentence)")
            }
            guard uris[name] == nil else { throw Self.malformed("\(name) stands twice") }
            guard let uri = LibvirtURI(pair[1]) else {
                throw Self.malformed("the URI of \(name) is not \(LibvirtURI.sentence)")
            }
            // Every instance would be on both.
            if let other = uris.first(where: { $0.value == uri })?.key {
                throw Self.malformed("\(other) and \(name) have the same URI")
            }
            uris[name] = uri
        }
        self.uris = uris
    }

    private static func malformed(_ problem: String) -> Rejection {
        Rejection(.invalidArgument, problem, field: SettingKey.libvirtHosts.rawValue)
    }
}

/// Where a libvirt with its QEMU driver is: `qemu[+transport]://[host]/system`, or `/session`.
struct LibvirtURI: Hashable, Sendable {
    static let sentence = "a libvirt URI such as qemu:///system or qemu+tls://h2.example/system"
    private static let transports = ["unix", "tls", "tcp", "ssh", "libssh", "libssh2"]

    let text: String
    /// Without a host in it, it means the machine of the process that opens it.
    let isOfThisMachine: Bool
    /// Names a daemon by its socket, of which a machine may have several.
    let namesSocket: Bool

    init?(_ text: String) {
        guard text.utf8.count <= 1000, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            let colon = text.range(of: "://")
        else { return nil }
        let scheme = text[..<colon.lowerBound].split(separator: "+", omittingEmptySubsequences: false)
        guard scheme.first == "qemu", scheme.count <= 2 else { return nil }
        if scheme.count == 2, !Self.transports.contains(String(scheme[1])) { return nil }
        let rest = text[colon.upperBound...].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let slash = rest[0].firstIndex(of: "/"), ["/system", "/session"].contains(rest[0][slash...]) else {
            return nil
        }
        self.text = text
        isOfThisMachine = slash == rest[0].startIndex
        let parameters = rest.count == 2 ? rest[1].split(separator: "&") : []
        namesSocket = parameters.contains { $0.hasPrefix("socket=") }
    }
}
