import ImageCore

/// Instances that exist by their name alone: `i-sim-<owner>-<anything>` is a stopped instance of that owner with a local
/// system disk and one cloud data disk. So a benchmark can ask for a million images without making a million instances.
enum ImpliedInstances {
    private static let prefix = "i-sim-"
    private static let diskBytes: Int64 = 8 << 30

    static func instance(_ id: InstanceID) -> Instance? {
        guard id.text.hasPrefix(prefix), let data = DeviceName("/dev/vdb"),
            let owner = id.text.dropFirst(prefix.count).split(separator: "-").first.flatMap({ Owner(String($0)) })
        else { return nil }
        return Instance(
            id: id,
            owner: owner,
            status: .stopped,
            disks: [
                Disk(device: .system, kind: .local, sizeBytes: diskBytes),
                Disk(device: data, kind: .cloud, sizeBytes: diskBytes),
            ]
        )
    }
}
