import Foundation
import ImageCore
import Testing

@testable import OpenStackClient
@testable import OpenStackDriver

@Suite("A server becomes an instance")
struct InstanceTests {
    private func server(_ status: String, task: String? = nil, image: String? = nil) throws -> CloudServer {
        let text = """
            {"id": "3f0c2a52-6a0e-4c0e-9d5e-0b8f3f6b7a11", "name": "web", "status": "\(status)", "metadata": {},
             "OS-EXT-STS:task_state": \(task.map { "\"\($0)\"" } ?? "null"), "flavor": {"original_name": "t", "disk": 5},
             "image": \(image.map { "{\"id\": \"\($0)\"}" } ?? "\"\"")}
            """
        return try JSONDecoder().decode(CloudServer.self, from: Data(text.utf8))
    }

    private func attached(_ devices: [String?], image: String? = nil) throws -> CloudInstance {
        let attachments = devices.enumerated().map { index, device in
            VolumeAttachment(device: device, volumeID: "v\(index)", deletesOnTermination: index == 0)
        }
        let volumes = devices.indices.map { index in
            CloudVolume(id: "v\(index)", status: "in-use", size: index + 1, type: "ssd", metadata: [:])
        }
        let known = Dictionary(uniqueKeysWithValues: volumes.map { ($0.id, $0) })
        let server = try server("SHUTOFF", image: image)
        let attached = try CloudInstance.attached(attachments, to: server)
        return try CloudInstance(server, attached, known, defaultOwner: Owner(known: "me"))
    }

    @Test(
        "only a server with which nothing is being done is stopped",
        arguments: [
            ("SHUTOFF", nil, "Stopped"), ("ACTIVE", nil, "Running"),
            ("SHUTOFF", "powering-on", "Stopped (powering-on)"),
            ("VERIFY_RESIZE", nil, "VerifyResize"), ("ERROR", nil, "Error"),
            ("PAUSED", "unpausing", "Paused (unpausing)"),
        ] as [(String, String?, String)]
    )
    func status(_ status: String, _ task: String?, _ told: String) throws {
        let found = CloudInstance.status(of: try server(status, task: task))
        #expect(found.description == told)
        #expect((found == .stopped) == (told == "Stopped"))
    }

    @Test("volumes have the names of their attachments, beside a local system disk or alone")
    func devices() throws {
        let local = try attached(["/dev/vdc", "/dev/vdb"], image: "i")
        #expect(local.disks.map(\.device.shortName) == ["vda", "vdb", "vdc"])
        #expect(local.disks.map(\.kind) == [.local, .cloud, .cloud])
        #expect(local.disks.map(\.sizeBytes) == [5 << 30, 2 << 30, 1 << 30])
        let volumes = try attached(["/dev/vda", "/dev/vdd"])
        #expect(volumes.disks.map(\.device.shortName) == ["vda", "vdd"])
        #expect(volumes.disks.map(\.autoDelete) == [true, false])
    }

    @Test("other names become positions, in the order in which a guest counts them")
    func otherNames() throws {
        let disks = try attached(["/dev/sdb", "/dev/sda", "/dev/sdaa"]).disks
        #expect(disks.map(\.device.shortName) == ["vda", "vdb", "vdc"])
        #expect(disks.map { $0.volume?.id } == ["v1", "v0", "v2"])
    }

    @Test("what has no marks of this installation is no resource")
    func marks() throws {
        let image = try #require(ImageID("img-1"))
        let id = ResourceID(image: image, part: "vdb", fence: 2)
        let resource = Resource(id: id, kind: .snapshot, imageID: image)
        let scope = MarkScope(name: "one")
        #expect(scope.resource(scope.marks(of: resource)) == resource)
        #expect(MarkScope(name: "two").resource(scope.marks(of: resource)) == nil)
        #expect(scope.resource(lockedFor: scope.lockReason(resource)) == resource)
        for other in [nil, "", "mine", "goldsmith two snapshot img-1.vdb.2", "goldsmith one replica img-1.vdb.2"] {
            #expect(scope.resource(lockedFor: other) == nil)
        }
        #expect(scope.imageID(of: id, number: 0) != scope.imageID(of: id, number: 1))
        #expect(CloudMark.isUUID(scope.imageID(of: id, number: 0)))
    }
}
