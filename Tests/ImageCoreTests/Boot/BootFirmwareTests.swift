import Testing

@testable import ImageCore

/// What a disk was made to be started by.
struct BootFirmwareTests {
    private static let system: [UInt8] = [
        0x28, 0x73, 0x2A, 0xC1, 0x1F, 0xF8, 0xD2, 0x11, 0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B,
    ]
    private static let bios: [UInt8] = Array("Hah!IdontNeedEFI".utf8)

    private static func disk(types: [UInt8] = [], active: Int? = nil, partitions: [[UInt8]]? = nil) -> [UInt8] {
        var head = [UInt8](repeating: 0, count: BootFirmware.headBytes)
        (head[510], head[511]) = (0x55, 0xAA)
        for (number, type) in types.enumerated() { head[446 + 16 * number + 4] = type }
        if let active { head[446 + 16 * active] = 0x80 }
        if let partitions {
            head.replaceSubrange(512..<520, with: "EFI PART".utf8)
            for (number, type) in partitions.enumerated() {
                head.replaceSubrange((1024 + 128 * number)..<(1040 + 128 * number), with: type)
            }
        }
        return head
    }

    @Test("A system partition means UEFI, unless the disk is made for a BIOS too")
    func guesses() {
        let guess = { (head: [UInt8]) in BootFirmware(guessedFrom: head) }
        #expect(guess(Self.disk(types: [0xEE], partitions: [Self.system])) == .uefi)
        #expect(guess(Self.disk(types: [0xEE], partitions: [Self.bios, Self.system])) == .bios)
        #expect(guess(Self.disk(types: [0xEE], partitions: [])) == .bios)
        #expect(guess(Self.disk(types: [0xEF, 0x83])) == .uefi)
        #expect(guess(Self.disk(types: [0xEF, 0x83], active: 1)) == .bios)
        #expect(guess(Self.disk(types: [0x83], active: 0)) == .bios)
        #expect(guess([]) == .bios && guess([UInt8](repeating: 0, count: 700)) == .bios)
    }

    @Test("No beginning of a disk, cut anywhere, is too short or too odd to be looked at")
    func cut() {
        let whole = Self.disk(types: [0xEE], partitions: [Self.system])
        for count in stride(from: 0, through: whole.count, by: 13) {
            _ = BootFirmware(guessedFrom: Array(whole[..<count]))
        }
    }
}
