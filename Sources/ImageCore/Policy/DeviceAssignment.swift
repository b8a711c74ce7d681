/// Which device names the data disks of a new instance get.
///
/// A name only fixes the disks' order: a guest numbers what it finds without gaps at every boot. So disks of the image
/// keep their order, a new disk first fills a gap that the image has or that a disk left out leaves, else it comes last,
/// and what is then still a gap closes. (The device-name assignment rules the seed links to.)
public enum DeviceAssignment {
    public enum Disk: Hashable, Sendable {
        /// A preset disk of the image, by its name there.
        case preset(DeviceName)
        /// An added disk, by its place among the added ones, from 0.
        case added(Int)
    }

    /// - Parameters:
    ///   - presets: the image's data disks that are kept.
    ///   - added: how many disks are added.
    /// - Returns: the disks under their names, in the names' order; `nil` when there are more disks than names.
    public static func names(presets: Set<DeviceName>, added: Int) -> [(device: DeviceName, disk: Disk)]? {
        guard added >= 0, presets.count + added <= DeviceName.lastPosition else { return nil }
        var places = Dictionary(uniqueKeysWithValues: presets.map { ($0.position, Disk.preset($0)) })
        var next = 1
        for index in 0..<added {
            while places[next] != nil { next += 1 }
            places[next] = .added(index)
        }
        var named: [(device: DeviceName, disk: Disk)] = []
        for (index, place) in places.sorted(by: { $0.key < $1.key }).enumerated() {
            guard let device = DeviceName(position: index + 1) else { return nil }
            named.append((device, place.value))
        }
        return named
    }
}
