import Crypto
import Foundation
import GoldsmithTestSupport
import ImageCore
import Testing

@testable import ImageDrivers

@Suite("A verified copy is the file, holes and all", .timeLimit(.minutes(30)))
struct VerifiedCopyTests {
    @Test("files of random shape are copied byte for byte, at no more cost", arguments: 1...24)
    func randomShapes(seed: Int) async throws {
        let scratch = try DriverScratch()
        let (source, target) = (scratch.path("source"), scratch.path("target"))
        var random = SampleBytes("shape \(seed)")
        try write(source, &random)

        var counted: Int64 = 0
        let pass = VerifiedCopy(flag: CancellationFlag()) { counted += $0 }
        let copied = try pass.copy(source, to: target, bytesPerSecond: nil)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: source))
        #expect(try Data(contentsOf: URL(fileURLWithPath: target)) == bytes)
        #expect(copied == FileSum(sha256: hexadecimal(SHA256.hash(data: bytes)), sizeBytes: Int64(bytes.count)))
        #expect(counted == copied.sizeBytes)
        #expect(try pass.sum(of: target) == copied)
        #expect(try allocatedBytes(target) <= allocatedBytes(source) + 65536)
    }

    /// Up to a dozen pieces of data with holes between, beside chunk borders more often than not.
    private func write(_ path: String, _ random: inout SampleBytes) throws {
        #expect(FileManager.default.createFile(atPath: path, contents: nil))
        let handle = try known(FileHandle(forUpdatingAtPath: path))
        for _ in 0..<(random.next() % 12) {
            let border = (random.next() % 8) << 20
            try handle.seek(toOffset: border + random.next() % 3 * 4095)
            let data = (0..<Int(random.next() % 9000)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            try handle.write(contentsOf: data)
        }
        if random.next() % 2 == 0 { try handle.truncate(atOffset: random.next() % (9 << 20)) }
        try handle.close()
    }

    @Test("a large copy is whole, and lets go of its memory as the disk takes it")
    func large() async throws {
        let scratch = try DriverScratch()
        let (source, target) = (scratch.path("source"), scratch.path("target"))
        #expect(FileManager.default.createFile(atPath: source, contents: nil))
        let handle = try known(FileHandle(forUpdatingAtPath: source))
        var random = SampleBytes("large")
        var block = [UInt8](repeating: 0, count: 8 << 20)
        // A hole after each block, so that windows begin and end beside holes.
        for number in 0..<UInt64(10) {
            block.withUnsafeMutableBytes { random.fill($0) }
            try handle.seek(toOffset: number * 9 << 20)
            try handle.write(contentsOf: block)
        }
        try handle.close()

        let pass = VerifiedCopy(flag: CancellationFlag()) { _ in }
        let copied = try pass.copy(source, to: target, bytesPerSecond: nil)
        #expect(try pass.sum(of: source) == copied)
        let held = try await DriverScratch.run("/usr/bin/fincore", ["-b", "-n", "-o", "RES", target])
        let kind = try await DriverScratch.run("/usr/bin/stat", ["-f", "-c", "%T", target])
        // A file system in memory has nowhere else to keep it.
        if !kind.hasPrefix("tmpfs") {
            let limit = 3 * WriteOut.windowBytes
            #expect(try known(Int64(held.trimmingCharacters(in: .whitespacesAndNewlines))) <= limit)
        }
        // The copy is read again only here: released memory is on the disk.
        #expect(try pass.sum(of: target) == copied)
    }

    @Test("a raised flag stops a copy before the next chunk")
    func cancelled() async throws {
        let scratch = try DriverScratch()
        try Data(count: 4 << 20).write(to: URL(fileURLWithPath: scratch.path("source")))
        let flag = CancellationFlag()
        var chunks = 0
        let pass = VerifiedCopy(flag: flag) { bytes in
            guard bytes > 0 else { return }
            chunks += 1
            flag.raise()
        }
        #expect(throws: CopyStop.cancelled) {
            _ = try pass.copy(scratch.path("source"), to: scratch.path("target"), bytesPerSecond: nil)
        }
        #expect(chunks == 1)
    }

    @Test("a rate is kept")
    func rate() async throws {
        let scratch = try DriverScratch()
        try Data(repeating: 1, count: 2 << 20).write(to: URL(fileURLWithPath: scratch.path("source")))
        let pass = VerifiedCopy(flag: CancellationFlag()) { _ in }
        let took = try ContinuousClock().measure {
            _ = try pass.copy(scratch.path("source"), to: scratch.path("target"), bytesPerSecond: 8 << 20)
        }
        #expect(took >= .milliseconds(250))
    }

    @Test("a source that is gone is an error with its path")
    func missing() async throws {
        let scratch = try DriverScratch()
        let pass = VerifiedCopy(flag: CancellationFlag()) { _ in }
        #expect(throws: CopyStop.file(FileFailure("open", scratch.path("source"), code: ENOENT))) {
            _ = try pass.sum(of: scratch.path("source"))
        }
    }

    private func hexadecimal(_ digest: SHA256.Digest) -> String {
        digest.map { String(format: "%02x", $0) }.joined()
    }
}
