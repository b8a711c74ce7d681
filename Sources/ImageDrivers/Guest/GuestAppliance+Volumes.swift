import ImageCore

/// What the appliance says of volumes, put together.
extension GuestAppliance {
    func volumes() -> [GuestVolume] {
        let devices = devices()
        let logical = logicalVolumes(
            devices.filter { device in
                let isOther = ["/dev/md/", "/dev/mapper/"].contains { device.hasPrefix($0) }
                return !isOther && device.split(separator: "/").count == 3
            }
        )
        var volumes: [GuestVolume] = []
        for device in devices {
            let said = facts(of: device).mapValues(GuestVolume.plain(blkid:))
            volumes.append(
                GuestVolume(
                    device: device,
                    type: said["TYPE"],
                    uuid: said["UUID"],
                    label: said["LABEL"],
                    partUUID: said["PART_ENTRY_UUID"],
                    partLabel: said["PART_ENTRY_NAME"],
                    isMissing: logical[device] != nil && size(of: device) == nil,
                    logical: logical[device],
                    membership: membership(of: device, said)
                )
            )
        }
        return volumes
    }

    private func membership(of device: String, _ said: [String: String]) -> GuestVolume.Membership? {
        switch said["TYPE"] {
        case "linux_raid_member":
            guard let size = size(of: device),
                let offset = ArrayMember.superblockOffset(version: said["VERSION"] ?? "", deviceSize: size)
            else { return nil }
            let superblock = read(device: device, at: offset, count: ArrayMember.superblockSize)
            return ArrayMember(superblock: superblock).map { .array($0) }
        case "btrfs":
            let superblock = read(device: device, at: 64 << 10, count: ArrayMember.superblockSize)
            return ArrayMember.btrfsDevices(superblock: superblock).map { .btrfs(devices: $0) }
        default: return nil
        }
    }
}
