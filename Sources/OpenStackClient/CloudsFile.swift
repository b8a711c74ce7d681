import FoundationEssentials
import Yams

/// `clouds.yaml`, as the command line `openstack` and other tools of OpenStack read it.
public enum CloudsFile {
    /// What is wrong with a file, in a sentence without its full stop. It repeats no value.
    public struct Problem: Error, Equatable, Sendable {
        public var text: String
        init(_ text: String) { self.text = text }
    }

    /// - Parameters:
    ///   - text: the whole file.
    ///   - name: the cloud; `nil` when the file has one only.
    ///   - region: instead of the file's.
    public static func access(
        in text: String,
        cloud name: String?,
        region: String? = nil
    ) throws(Problem) -> CloudAccess {
        let document: Document
        do {
            document = try YAMLDecoder().decode(Document.self, from: text)
        } catch {
            throw Problem("it is no clouds.yaml: `clouds` with `auth` in each cloud is needed")
        }
        let names = document.clouds.keys.sorted()
        guard let chosen = name ?? (names.count == 1 ? names[0] : nil) else {
            throw Problem("it has \(names.count) clouds, and none is chosen")
        }
        guard let entry = document.clouds[chosen] else { throw Problem("it has no cloud of the chosen name") }
        return try access(of: entry, region: region)
    }

    private static func access(of entry: Document.Entry, region: String?) throws(Problem) -> CloudAccess {
        guard entry.auth_type ?? "v3applicationcredential" == "v3applicationcredential" else {
            throw Problem("its auth_type is not v3applicationcredential; make an application credential")
        }
        guard entry.verify != false else {
            throw Problem("it switches the check of certificates off (verify); name the authority in cacert")
        }
        guard let url = entry.auth.auth_url, url.hasPrefix("https://") || url.hasPrefix("http://") else {
            throw Problem("auth_url must begin with https:// or http://")
        }
        guard let id = entry.auth.application_credential_id, !id.isEmpty,
            let secret = entry.auth.application_credential_secret, !secret.isEmpty
        else {
            throw Problem("application_credential_id and application_credential_secret are needed in auth")
        }
        guard let interface = CloudAccess.Interface(rawValue: entry.interface ?? "public") else {
            throw Problem("interface must be public, internal or admin")
        }
        return CloudAccess(
            authURL: url,
            credentialID: id,
            secret: CloudSecret(secret),
            region: region ?? entry.region_name,
            interface: interface,
            caFile: entry.cacert,
            addresses: try addresses(of: entry)
        )
    }

    private static func addresses(of entry: Document.Entry) throws(Problem) -> [CloudService: String] {
        let told: [CloudService: String?] = [
            .compute: entry.compute_endpoint_override, .images: entry.image_endpoint_override,
            .volumes: entry.block_storage_endpoint_override ?? entry.volume_endpoint_override,
        ]
        let addresses = told.compactMapValues { $0 }
        guard addresses.values.allSatisfy({ $0.hasPrefix("https://") || $0.hasPrefix("http://") }) else {
            throw Problem("an …_endpoint_override must begin with https:// or http://")
        }
        return addresses
    }

    private struct Document: Decodable {
        var clouds: [String: Entry]

        struct Entry: Decodable {
            var auth: Auth
            var auth_type: String?
            var region_name: String?
            var interface: String?
            var cacert: String?
            var verify: Bool?
            var compute_endpoint_override: String?
            var image_endpoint_override: String?
            var block_storage_endpoint_override: String?
            /// The same by its older name.
            var volume_endpoint_override: String?
        }

        struct Auth: Decodable {
            var auth_url: String?
            var application_credential_id: String?
            var application_credential_secret: String?
        }
    }
}
