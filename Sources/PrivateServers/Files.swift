import Glibc
import SystemPackage

/// Small files only their owner can read.
enum Files {
    static func write(_ text: String, to path: FilePath, mode: FilePermissions = [.ownerReadWrite]) throws {
        // Replaced rather than overwritten, so that the permissions are always those asked for.
        unlink(path.string)
        let descriptor = try FileDescriptor.open(
            path,
            .writeOnly,
            options: [.create, .exclusiveCreate, .closeOnExec],
            permissions: mode
        )
        try descriptor.closeAfter { _ = try descriptor.writeAll(text.utf8) }
    }

    static func write(_ text: String, to path: FilePath, mode: CInterop.Mode) throws {
        try write(text, to: path, mode: FilePermissions(rawValue: mode))
    }

    static func read(_ path: FilePath) throws -> String {
        let descriptor = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
        return try descriptor.closeAfter {
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = try chunk.withUnsafeMutableBytes { try descriptor.read(into: $0) }
                guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
                bytes += chunk[..<count]
            }
        }
    }

    /// Makes one folder, 0700, unless it is there.
    static func makeFolder(_ path: FilePath) throws {
        guard mkdir(path.string, 0o700) != 0, errno != EEXIST else { return }
        throw Errno(rawValue: errno)
    }
}

enum Secrets {
    /// The secret in a file, which is made when it is missing. A folder's users keep the password they were made with.
    static func kept(in file: FilePath) throws -> String {
        do {
            return try Files.read(file)
        } catch Errno.noSuchFileOrDirectory {
            let secret = random()
            try Files.write(secret, to: file)
            return secret
        }
    }

    /// 128 random bits in hexadecimal.
    static func random() -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<2).map { _ in
            let digits = String(generator.next(), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
