public enum BootFirmware: String, Codable, Sendable, CaseIterable {
    case bios
    case uefi
}

extension BootFirmware {
    /// How many bytes from a disk's beginning a guess needs: its first sector, and a GPT of 128 entries.
    public static let headBytes = 34 * 512

    /// What a disk was made to be started by, as far as its partitions say. For an image that says nothing of its machine.
    /// - Parameter head: the disk's first bytes, as many as there are.
    public init(guessedFrom head: [UInt8]) {
        self = .bios
        guard head.count >= 512, head[510] == 0x55, head[511] == 0xAA else { return }
        let entries = stride(from: 446, to: 510, by: 16).map { (isActive: head[$0] == 0x80, type: head[$0 + 4]) }
        if entries.contains(where: { $0.type == 0xEE }), head.count >= 1024,
            head[512..<520].elementsEqual("EFI PART".utf8)
        {
            let types = stride(from: 1024, through: head.count - 128, by: 128).map { head[$0..<($0 + 16)] }
            let isForBIOS = types.contains { $0.elementsEqual(Self.biosPartition) }
            if !isForBIOS, types.contains(where: { $0.elementsEqual(Self.systemPartition) }) { self = .uefi }
        } else if entries.contains(where: { $0.type == 0xEF }), !entries.contains(where: \.isActive) {
            self = .uefi
        }
    }

    /// The types of partitions, as a GPT writes them: C12A7328-F81F-11D2-BA4B-00A0C93EC93B, and
    /// 21686148-6449-6E6F-744E-656564454649, in which GRUB lies for a BIOS.
    private static let systemPartition: [UInt8] = [
        0x28, 0x73, 0x2A, 0xC1, 0x1F, 0xF8, 0xD2, 0x11, 0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B,
    ]
    private static let biosPartition: [UInt8] = [
        0x48, 0x61, 0x68, 0x21, 0x49, 0x64, 0x6F, 0x6E, 0x74, 0x4E, 0x65, 0x65, 0x64, 0x45, 0x46, 0x49,
    ]
}
