import ImageCore

/// Instances that exist by their name alone: `i-sim-<owner>-<anything>` is a stopped instance of that owner with a local
/// system disk and one cloud data disk; `i-sim-<owner>-<host>-<anything>` is on that host. So a benchmark can ask for a million images without making a million instances.
enum ImpliedInstances {
    private static let prefix = "i-sim-"
    private static let diskBytes: Int64 = 8 << 30

    static func instance(_ id: InstanceID, on hosts: [HostName]) -> Instance? {
        guard id.text.hasPrefix(prefix), let data = DeviceName("/dev/vdb") else { return nil }
        let words = id.text.dropFirst(prefix.count).split(separator: "-").map(String.init)
        guard let owner = words.first.flatMap({ Owner($0) }) else { return nil }
        return Instance(
            id: id,
            owner: owner,
            status: .stopped,
            disks: [
                Disk(device: .system, kind: .local, sizeBytes: diskBytes),
                Disk(device: data, kind: .cloud, sizeBytes: diskBytes),
            ],
            host: words.count > 2 ? hosts.first { $0.text == words[1] } : nil
        )
    }
}
