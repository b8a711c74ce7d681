import Crypto
import Foundation
import ImageCore
import PrivateServers
import SystemPackage

/// Reads the files of Available images with real disks again: each capture is sound and equal to the disk it was taken
/// of, each replica has the checksums that its capture had and that its manifest says.
struct DiskJudge: Sendable {
    let stage: Stage

    /// - Returns: how many images were looked at, and how many of their files are not as they should be.
    func judge() async throws -> (compared: Int, damaged: Int) {
        let images = try await stage.real.store.images(ImageQuery(status: .available, limit: .max))
        var damaged = 0
        for image in images {
            for capture in image.captures {
                let name = "\(capture.device.shortName).qcow2"
                let directory = capture.resource.kind == .snapshot ? "snapshots" : "images"
                let file = stage.real.data.appending("\(directory)/\(capture.resource.id)/\(name)")
                let source = stage.instances.source(of: image.plan.instanceID.text, name)
                let isSound = try await qemuImg("check", "-q", file.string)
                let isEqual = try await qemuImg("compare", "-q", source.string, file.string)
                if sha256(of: file) != capture.sha256 || !isSound || !isEqual { damaged += 1 }
            }
            for replica in image.replicas where !isWhole(replica, of: image) { damaged += 1 }
        }
        return (images.count, damaged)
    }

    private func isWhole(_ replica: Replica, of image: Image) -> Bool {
        guard let location = stage.real.locations[replica.location.text] else { return false }
        let folder = location.appending(replica.resource.id.text)
        guard let bytes = FileManager.default.contents(atPath: folder.appending("manifest.json").string),
            let manifest = try? JSONDecoder().decode(Manifest.self, from: bytes),
            manifest.imageId == image.id, manifest.disks.count == image.plan.disks.count
        else { return false }
        return manifest.disks.allSatisfy { disk in
            let captured = image.captures.first { $0.device == disk.device }
            return captured?.sha256 == disk.sha256
                && sha256(of: folder.appending("\(disk.device.shortName).qcow2")) == disk.sha256
        }
    }

    /// The disks are small enough to be read whole.
    private func sha256(of file: FilePath) -> String? {
        guard let bytes = FileManager.default.contents(atPath: file.string) else { return nil }
        return SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined()
    }

    private func qemuImg(_ arguments: String...) async throws -> Bool {
        let program = try ServerProcess("/usr/bin/qemu-img", arguments, environment: ["PATH": "/usr/bin"])
        guard await program.hasEnded(within: .seconds(60)) else {
            program.killNow()
            return false
        }
        return program.exitStatus == 0
    }
}
