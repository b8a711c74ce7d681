import Foundation
import Subprocess
import SystemPackage

/// What a file takes on disk, whatever its length.
public func allocatedBytes(_ path: String) throws -> Int64 {
    var value = stat()
    guard stat(path, &value) == 0 else { throw ConformanceFailure("no file \(path)") }
    return Int64(value.st_blocks) * 512
}

/// The processes that have `text` in their command line; ended ones have none.
public func processes(mentioning text: String) -> [String] {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return all.filter { Int($0) != nil }.filter { process in
        let line = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") ?? Data()
        return String(decoding: line, as: UTF8.self).contains(text)
    }
}

/// Fails unless `holds` becomes true within ten seconds.
public func becomesTrue(_ holds: () async throws -> Bool) async throws {
    guard try await eventually(within: .seconds(10), holds) else {
        throw ConformanceFailure("did not happen within 10 seconds")
    }
}

/// Holds a disk open for writing, as a running instance does, while `body` runs.
public func withWriter<Value: Sendable>(
    of disk: String,
    format: String,
    _ body: () async throws -> Value
) async throws -> Value {
    try await Subprocess.run(
        .path("/usr/bin/qemu-io"),
        arguments: ["-f", format, disk],
        input: .inputWriter,
        output: .sequence,
        error: .discarded
    ) { execution in
        // When it answers, it has opened the disk.
        _ = try await execution.standardInputWriter.write("length\n")
        for try await line in execution.standardOutput.strings() where line.contains("iB") { break }
        let value = try await body()
        try await execution.standardInputWriter.finish()
        return value
    }
    .closureResult
}

/// Whether this process may mount a file system, which root in a container often may not.
public let canMount: Bool = {
    var path = Array("/tmp/goldsmith-mount-XXXXXX".utf8CString)
    guard access("/usr/bin/mount", X_OK) == 0, mkdtemp(&path) != nil else { return false }
    defer { rmdir(path) }
    guard mount("tmpfs", path, "tmpfs", 0, "size=64k") == 0 else { return false }
    return umount(path) == 0
}()

/// A small file system at `path` while `body` runs.
public func withMount<Value>(_ options: String, at path: String, _ body: () async throws -> Value) async throws -> Value
{
    try await DriverScratch.run("/usr/bin/mount", ["-t", "tmpfs", "-o", options, "tmpfs", path])
    do {
        let value = try await body()
        try await DriverScratch.run("/usr/bin/umount", [path])
        return value
    } catch {
        _ = try? await DriverScratch.run("/usr/bin/umount", ["-l", path])
        throw error
    }
}
