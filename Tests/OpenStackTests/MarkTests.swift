import Foundation
import ImageCore
import Logging
import Testing

@testable import OpenStackClient
@testable import OpenStackDriver

@Suite("Marks in a cloud")
struct MarkTests {
    private static let scope = MarkScope(name: "test")
    private static let replica = ResourceID(known: "img-1.east.2")

    private static func image(_ members: [String: String]) throws -> CloudImage {
        let all = members.merging(["status": "active"]) { given, _ in given }
        return try JSONDecoder().decode(CloudImage.self, from: JSONSerialization.data(withJSONObject: all))
    }

    @Test("are ours on an image that has its own id or our name, and handed on to any other")
    func ours() throws {
        let marks = Self.scope.marks(of: Self.replica)
        func isOurs(_ marks: [String: String], _ id: String, _ name: String) throws -> Bool {
            Self.scope.isOurs(try Self.image(marks.merging(["id": id, "name": name]) { $1 }))
        }
        let itself = marks.merging([CloudMark.own: "a"]) { $1 }
        #expect(try isOurs(itself, "a", "golden"), "its owner has renamed it")
        #expect(try isOurs(marks, "b", "goldsmith img-1.east.2"), "Nova or Cinder has just made it for us")
        #expect(try isOurs(itself, "b", "goldsmith img-1.east.2"), "the same, of a launched server")
        #expect(try !isOurs(itself, "b", "web2-shelved"))
        #expect(try !isOurs(itself, "b", "goldsmith img-1.east.1"), "the name of another attempt")
        #expect(try !isOurs(marks, "b", "mine"))
        #expect(try !isOurs([CloudMark.own: "a"], "a", "goldsmith img-1.east.2"), "without marks")
    }

    @Test("say of a replica where it is, and of a capture not where the image is that its server was launched from")
    func locations() {
        var marks = Self.scope.marks(of: ResourceID(known: "img-2.vda.1"))
        (marks[CloudMark.kind], marks[CloudMark.location]) = ("image-file", "east")
        #expect(Self.scope.resource(marks)?.kind == .imageFile && Self.scope.resource(marks)?.location == nil)
        marks[CloudMark.kind] = "replica"
        #expect(Self.scope.resource(marks)?.location?.text == "east")
        marks[CloudMark.location] = nil
        #expect(Self.scope.resource(marks) == nil)
    }

    @Test("a resource's id says which attempt has made it")
    func fences() {
        #expect(Self.replica.fence == 2)
        #expect(
            ResourceID(image: ImageID(known: "img-1"), part: "a.b", fence: 1234567890123).fence == 1_234_567_890_123
        )
        #expect(ResourceID(known: "img-1.east").fence == nil)
    }

    @Test("a replica's image gets the hardware and guest properties of its system disk, and none that Glance reserves")
    func properties() async throws {
        let driver = OpenStackDriver(
            cloud: OpenStackCloud(
                CloudAccess(authURL: "http://127.0.0.1:1", credentialID: "i", secret: CloudSecret("s"), region: "one")
            ),
            scope: "test",
            locations: [:],
            defaultOwner: Owner(known: "local"),
            logger: Logger(label: "test")
        )
        let told = [
            "hw_firmware_type": "uefi", "hw_disk_bus": "scsi", "os_distro": "debian", CloudMark.flavor: "tiny",
        ]
        let kept = [
            "os_hash_algo": "sha512", "os_hash_value": "00", "os_hidden": "no", "os_glance_failed_import": "",
            "os_glance_importing_to_stores": "", "signature_verified": "True", "owner_specified.x": "y",
            "stores": "files",
            CloudMark.resource: "img-1.vda.1", "id": "i", "name": "n",
        ]
        let found = try await driver.properties(of: .image(try Self.image(told.merging(kept) { $1 })))
        #expect(found == told)
    }
}
