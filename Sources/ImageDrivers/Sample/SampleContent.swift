import Glibc
import ImageCore

/// Bytes that look random, are the same for the same name, and come faster than any disk takes them.
struct SampleBytes {
    private var state: UInt64

    /// FNV-1a of the name, so that every sample has bytes of its own.
    init(_ name: String) {
        state = name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }

    mutating func fill(_ buffer: UnsafeMutableRawBufferPointer) {
        var generator = self
        buffer.withMemoryRebound(to: UInt64.self) { words in
            var index = 0
            while index < words.count {
                words[index] = generator.next()
                index += 1
            }
        }
        self = generator
    }

    /// A random UUID (version 4) in its usual spelling.
    mutating func uuid() -> String {
        var bytes = [next(), next()].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
        bytes[6] = bytes[6] & 0x0f | 0x40
        bytes[8] = bytes[8] & 0x3f | 0x80
        let digits = Array(Hexadecimal.text(bytes))
        return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(digits[$0]) }.joined(separator: "-")
    }
}

/// The files of a sample's disks.
struct SampleContent: Sendable {
    var id: InstanceID
    var rootUUID: String
    /// UUIDs of the data disks that hold a file system, by device.
    var mounts: [DeviceName: String]
    /// Whether the guest insists on its data disks, and on one network card.
    var isFaulty = false

    static let creation = O_RDWR | O_CREAT | O_NOFOLLOW

    static let folders = [
        "bin", "boot", "dev", "etc/udev/rules.d", "home", "proc", "root", "run", "sys", "tmp", "usr/bin", "usr/lib",
        "var/lib/sample", "var/log",
    ]

    var files: [String: String] {
        let data = mounts.sorted { $0.key < $1.key }.map { device, uuid in
            // `nofail`: an instance made from the image without this disk must still start.
            "UUID=\(uuid) /srv/\(device.shortName) ext4 defaults\(isFaulty ? "" : ",nofail") 0 2\n"
        }
        var files = [
            "etc/fstab": "UUID=\(rootUUID) / ext4 errors=remount-ro 0 1\n" + data.joined(),
            "etc/hostname": id.text + "\n",
            "etc/os-release": """
            PRETTY_NAME="Goldsmith sample 1 (\(id))"
            NAME="Goldsmith sample"
            ID=debian
            VERSION_ID="12"

            """,
            "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
        ]
        if isFaulty {
            files["etc/udev/rules.d/70-persistent-net.rules"] =
                #"SUBSYSTEM=="net", ATTR{address}=="52:54:00:12:34:56", NAME="eth0""# + "\n"
        }
        return files
    }

    /// Writes the tree under `folder`, with `mebibytes` MiB in files of 16 MiB at most.
    func write(
        to folder: String,
        mebibytes: Int,
        flag: CancellationFlag,
        onBytes: (Int64) -> Void
    ) throws(CopyStop) {
        do throws(FileFailure) {
            for name in Self.folders { try FileCalls.makeFolder(folder + "/" + name) }
            for device in mounts.keys { try FileCalls.makeFolder(folder + "/srv/" + device.shortName) }
            for (name, text) in files {
                try OpenFile(folder + "/" + name, flags: SampleContent.creation).write(Array(text.utf8)[...], at: 0)
            }
        } catch {
            throw .file(error)
        }
        let perFile = 16
        for (number, first) in stride(from: 0, to: mebibytes, by: perFile).enumerated() {
            try Self.writeBytes(
                to: folder + "/var/lib/sample/data-\(number).bin",
                mebibytes: min(perFile, mebibytes - first),
                name: "\(id)/\(number)",
                flag: flag,
                onBytes: onBytes
            )
        }
    }

    /// Writes `mebibytes` MiB of sample bytes to a new file, from `offset` on.
    static func writeBytes(
        to path: String,
        offset: Int64 = 0,
        mebibytes: Int,
        name: String,
        flag: CancellationFlag,
        onBytes: (Int64) -> Void
    ) throws(CopyStop) {
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { chunk.deallocate() }
        var bytes = SampleBytes(name)
        do throws(FileFailure) {
            let file = try OpenFile(path, flags: creation)
            for index in 0..<mebibytes {
                guard !flag.isRaised else { break }
                bytes.fill(chunk)
                try file.write(UnsafeRawBufferPointer(chunk), at: offset + Int64(index) << 20)
                onBytes(1 << 20)
            }
        } catch {
            throw .file(error)
        }
        if flag.isRaised { throw .cancelled }
    }
}
