import FoundationEssentials
import ImageCore
import OpenStackClient

/// What a replica in Glance says of its disks, for launches: one entry a disk, the system disk first.
struct ReplicaSheet: Codable, Sendable {
    struct Entry: Codable, Sendable {
        var device: DeviceName
        /// In GiB.
        var size: Int
        var autoDelete: Bool
        /// Of a disk that is a snapshot in this cloud: the capture itself, or that of a copy.
        var snapshot: String?
        /// Of a disk whose content is another image. Neither: it is the content of the image itself.
        var image: String?
        var volumeType: String?
        /// What a launch compares: of a snapshot the SHA-256 of its record, else that of the content.
        var sha256: String
        /// Of a snapshot of a copy: the SHA-256 of what was copied.
        var content: String?
    }

    /// The name of the flavor that the source had. Empty: the source was no server of a cloud.
    var flavor: String
    var disks: [Entry]

    /// As a property's value.
    func text() throws(StepFailure) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(self) else {
            throw StepFailure(.permanent, .internal, "What a replica says of its disks cannot be written.")
        }
        return String(decoding: data, as: UTF8.self)
    }

    init(flavor: String, disks: [Entry]) { (self.flavor, self.disks) = (flavor, disks) }

    /// - Returns: `nil` when the property is missing or not of this shape.
    init?(_ image: CloudImage) {
        guard let text = image.properties[CloudMark.disks],
            let sheet = try? JSONDecoder().decode(Self.self, from: Data(text.utf8))
        else { return nil }
        self = sheet
    }

    /// Nova's own list, by which it makes a server of the image: complete, so that nothing is left to its guesses.
    func blockDevices() throws(OpenStackError) -> String {
        let devices = disks.enumerated().map { index, disk -> JSONPart in
            [
                "source_type": "snapshot", "destination_type": "volume",
                "snapshot_id": .text(disk.snapshot ?? ""), "boot_index": .number(index == 0 ? 0 : -1),
                "volume_size": .number(disk.size), "volume_type": disk.volumeType.map { .text($0) } ?? .null,
                "device_name": .text(disk.device.description), "disk_bus": "virtio", "device_type": "disk",
                "delete_on_termination": .flag(disk.autoDelete), "guest_format": .null, "no_device": .null,
            ]
        }
        return try JSONPart.list(devices).line()
    }
}
