import Foundation
import GoldsmithTestSupport
import ImageCore
import Logging
import Testing

@testable import ImageDrivers

extension GuestDiskTests {
    @Suite("A guest that is read without an appliance", .serialized, .timeLimit(.minutes(30)))
    struct ReaderTests {
        private static let logger = Logger(label: "test")
        private let inspector = GuestInspector(program: GuestDisks.program)

        private func disks() throws -> GuestDisks { try #require(GuestDisks.current) }

        private func read(_ node: BlockNode) async throws -> GuestFacts? {
            try await inspector.read(node, .storage, Self.logger)?.facts
        }

        @Test(
            "the reader says what the appliance says of every plain disk, and leaves every other to it",
            arguments: Disk.all
        )
        func sameFacts(disk: Disk) async throws {
            let disks = try disks()
            let before = try await disks.sums(disk.id)
            let facts = try await read(disks.node(disk))
            #expect((facts != nil) == Disk.plain.contains(disk.id))
            #expect(try await disks.sums(disk.id) == before, "\(disk.id) was changed")
            guard let facts else { return }
            let qemuImg = QemuImg(program: "/usr/bin/qemu-img", logger: Self.logger)
            let inspection = try await inspector.lookWithAppliance(at: disks.node(disk), qemuImg, .storage)
            #expect(inspection == .seen(facts))
        }

        @Test("a fix of a plain guest in which nothing is to be fixed starts no appliance, and writes nothing")
        func nothingToFix() async throws {
            let disks = try disks()
            let copy = disks.scratch.path("whole.qcow2")
            try await DriverScratch.run(
                "/usr/bin/qemu-img",
                [
                    "convert", "-f", "raw", "-O", "qcow2", disks.node(.whole).base, copy,
                ]
            )
            let before = try Data(contentsOf: URL(fileURLWithPath: copy))
            let workplace = disks.scratch.path("w")
            try FileManager.default.createDirectory(atPath: workplace, withIntermediateDirectories: true)
            // Without its library the appliance would fail.
            try Data().write(to: URL(fileURLWithPath: disks.scratch.path("libguestfs.so.0")))
            let program = disks.scratch.path("program")
            try Data("#!/bin/sh\nLD_LIBRARY_PATH=\(disks.scratch.root) exec \(GuestDisks.program) \"$@\"\n".utf8)
                .write(to: URL(fileURLWithPath: program))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
            let result = try await GuestInspector(program: program, workplace: workplace)
                .carryOut(
                    GuestWork(fixes: true),
                    on: .qcow2(path: copy, dataFile: nil, backing: nil),
                    sizeBytes: 0,
                    .storage,
                    Self.logger
                ) {}
            #expect(result == GuestResult(fix: GuestFix(findings: [], diff: "")))
            #expect(try Data(contentsOf: URL(fileURLWithPath: copy)) == before)
        }

        @Test(
            "a file system that was not unmounted, or claims what is not so, is the appliance's",
            arguments: Damage.all
        )
        func unsure(damage: Damage) async throws {
            let disks = try disks()
            let file = disks.scratch.path("damaged.raw")
            try? FileManager.default.removeItem(atPath: file)
            try FileManager.default.copyItem(atPath: disks.node(.ext4).base, toPath: file)
            #expect(try await read(.raw(path: file)) != nil)
            let handle = try #require(FileHandle(forUpdatingAtPath: file))
            try handle.seek(toOffset: damage.offset)
            try handle.write(contentsOf: damage.bytes)
            try handle.close()
            #expect(try await read(.raw(path: file)) == nil)
        }

        @Test("whatever bytes are on a disk, the look ends, and nothing of it is left", arguments: 0..<8)
        func anyBytes(seed: UInt64) async throws {
            let disks = try disks()
            let file = disks.scratch.path("random-\(seed).raw")
            try FileManager.default.copyItem(atPath: disks.node(.ext4).base, toPath: file)
            let handle = try #require(FileHandle(forUpdatingAtPath: file))
            var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
            func next() -> UInt64 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return state >> 33
            }
            // Behind the superblock, which has a checksum: the groups, the inodes, the first folders.
            for _ in 0..<400 {
                try handle.seek(toOffset: 1_048_576 + 2048 + next() % (6 << 20))
                try handle.write(contentsOf: [UInt8(truncatingIfNeeded: next())])
            }
            try handle.close()
            let workplace = disks.scratch.path("r\(seed)")
            try FileManager.default.createDirectory(atPath: workplace, withIntermediateDirectories: true)
            let inspector = GuestInspector(program: GuestDisks.program, workplace: workplace)
            let facts = try await inspector.read(.raw(path: file), .storage, Self.logger)?.facts
            #expect((facts?.findings.count ?? 0) <= 21)
            #expect(processes(mentioning: workplace).isEmpty)
            #expect(try FileManager.default.contentsOfDirectory(atPath: workplace).isEmpty)
        }

        @Test("a look that is cancelled while it reads leaves no process and no folder")
        func cancelled() async throws {
            let disks = try disks()
            let workplace = disks.scratch.path("c")
            try FileManager.default.createDirectory(atPath: workplace, withIntermediateDirectories: true)
            let program = disks.scratch.path("sleeper")
            try Data("#!/bin/sh\nexec sleep 4244\n".utf8).write(to: URL(fileURLWithPath: program))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
            let node = disks.node(.ext4)
            let looking = Task {
                try await GuestInspector(program: program, workplace: workplace).read(node, .storage, Self.logger)?
                    .facts
            }
            try await becomesTrue {
                !processes(mentioning: "\(workplace)/").isEmpty && !processes(mentioning: "4244").isEmpty
            }
            looking.cancel()
            let failure = await #expect(throws: StepFailure.self) { _ = try await looking.value }
            #expect(failure?.code == .cancelled)
            try await becomesTrue {
                try processes(mentioning: workplace).isEmpty && processes(mentioning: "4244").isEmpty
                    && FileManager.default.contentsOfDirectory(atPath: workplace).isEmpty
            }
        }
    }
}

@Suite("Patterns of a guest's paths")
struct GuestPatternTests {
    @Test("braces stand for their alternatives, in order, also inside one another")
    func alternatives() {
        #expect(
            GuestPattern.alternatives("/a/{b,c{d,e}}*.{x,y}") == [
                "/a/b*.x", "/a/b*.y", "/a/cd*.x", "/a/cd*.y", "/a/ce*.x", "/a/ce*.y",
            ]
        )
        #expect(GuestPattern.alternatives("/{,boot/}grub") == ["/grub", "/boot/grub"])
        #expect(GuestPattern.alternatives("/a{b") == ["/a{b"])
    }

    @Test("stars match as in glob(3): no dot in front, no slash, in the order of bytes")
    func stars() {
        let folders = ["/e": ["b.x", ".h.x", "a.x", "A.x", "c.y", "d.x.z"], "/e/a.x": ["1", "2"], "/e/b.x": ["0"]]
        let found = { (pattern: String) in
            GuestPattern.paths(pattern, exists: { folders[$0] != nil }, names: { folders[$0] ?? [] })
        }
        #expect(found("/e/*.x") == ["/e/A.x", "/e/a.x", "/e/b.x"])
        #expect(found("/e/*.x/*") == ["/e/a.x/1", "/e/a.x/2", "/e/b.x/0"])
        #expect(found("/{e,f}") == ["/e"])
    }
}

/// Bytes that make a plain disk one that is not.
struct Damage: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var offset: UInt64
    var bytes: [UInt8]

    /// Of the first partition of `Disk.ext4`.
    private static let superblock: UInt64 = 2048 * 512 + 1024

    static let all = [
        Damage(testDescription: "a journal to be replayed", offset: superblock + 0x60, bytes: [0x46]),
        Damage(testDescription: "errors", offset: superblock + 0x3a, bytes: [2]),
        Damage(testDescription: "an orphan", offset: superblock + 0xe8, bytes: [12]),
        Damage(testDescription: "an unknown feature", offset: superblock + 0x62, bytes: [0x80]),
        Damage(testDescription: "more blocks than there are", offset: superblock + 0x4, bytes: [0, 0, 0, 0x70]),
        Damage(testDescription: "a checksum", offset: superblock + 0x3fc, bytes: [1, 2, 3, 4]),
        Damage(testDescription: "a group", offset: superblock + 1024, bytes: [1, 2, 3, 4, 5, 6, 7, 8]),
        Damage(
            testDescription: "LUKS beside it",
            offset: superblock - 1024,
            bytes: Array("LUKS".utf8) + [0xba, 0xbe, 0, 1]
        ),
    ]
}

extension BlockNode {
    fileprivate var base: String {
        switch self {
        case .raw(let path), .device(let path), .layer(let path), .qcow2(let path, _, _): path
        }
    }
}

extension GuestDisks {
    /// An instance's disk, as QEMU gets it.
    func node(_ disk: Disk) -> BlockNode {
        let base = BlockNode.raw(path: scratch.path("instances", disk.id, "base.raw"))
        guard disk.isLayered else { return base }
        return .qcow2(path: scratch.path("instances", disk.id, "vda.qcow2"), dataFile: nil, backing: base)
    }
}
