import FoundationEssentials
import Glibc
import GoldsmithTestSupport
import Subprocess
import SystemPackage
import Testing

@Suite("the console's file of users, changed by commands")
struct UsersFileTests {
    /// A folder of its own, removed afterwards.
    private func withFile(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "goldsmith-users-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        )
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(folder.path + "/users")
    }

    private func text(_ file: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: file)), as: UTF8.self)
    }

    private func names(_ file: String) throws -> [String] {
        try text(file).split(separator: "\n").map { String($0.prefix { $0 != ":" }) }
    }

    @Test("a password that is piped in is added as a hash; a second one of that name replaces it")
    func password() async throws {
        try await withFile { file in
            for (password, said) in [("correct horse", "added"), ("battery staple", "changed")] {
                let result = try await Subprocess.run(
                    .path(FilePath(Program.path)),
                    arguments: ["console", "user", "alice", "--role", "operator", "--file", file],
                    input: .string(password + "\n"),
                    output: .string(limit: 4096),
                    error: .string(limit: 4096)
                )
                #expect(result.terminationStatus == .exited(0) && result.standardOutput.contains(said), "\(result)")
                #expect(!result.standardOutput.contains("$"), "the hash belongs into the file only")
            }
            #expect(try names(file) == ["alice"])
            #expect(try !text(file).contains("horse") && !text(file).contains("staple"))
        }
    }

    @Test("the file stays its owner's, unreadable for others, and keeps its comments and its link")
    func owner() async throws {
        try await withFile { file in
            let real = file + ".real"
            try Data("# people\n".utf8).write(to: URL(fileURLWithPath: real))
            #expect(symlink(real, file) == 0)
            let mayGive = geteuid() == 0
            if mayGive { #expect(chown(real, 12345, 23456) == 0) }
            let result = try await Program.run(["console", "token", "robot", "--role", "viewer", "--file", file])
            #expect(result.code == 0, "\(result)")
            #expect(result.complaint.trimmingPrefix { $0.isHexDigit } == "\n", "the token, alone: \(result.complaint)")
            var status = stat()
            #expect(lstat(file, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
            #expect(lstat(real, &status) == 0 && status.st_mode & 0o777 == 0o600)
            if mayGive { #expect(status.st_uid == 12345 && status.st_gid == 23456) }
            #expect(try text(real).hasPrefix("# people\nrobot:viewer:"))
        }
    }

    @Test("commands at the same time lose no account")
    func together() async throws {
        try await withFile { file in
            let all = (1...8).map { "robot-\($0)" }
            try await withThrowingTaskGroup(of: Int32.self) { group in
                for name in all {
                    group.addTask {
                        try await Program.run(["console", "token", name, "--role", "viewer", "--file", file]).code
                    }
                }
                for try await code in group { #expect(code == 0) }
            }
            #expect(try names(file).sorted() == all.sorted())
        }
    }

    @Test("what is no file of users is left as it is")
    func broken() async throws {
        try await withFile { file in
            try Data("hunter2\n".utf8).write(to: URL(fileURLWithPath: file))
            let result = try await Program.run(["console", "token", "robot", "--role", "viewer", "--file", file])
            #expect(result.code == 2 && result.complaint.contains("line 1") && !result.complaint.contains("hunter2"))
            #expect(try text(file) == "hunter2\n")
            let nowhere = try await Program.run([
                "console", "token", "a", "--role", "viewer", "--file", file + "/users",
            ])
            #expect(nowhere.code == 2 && nowhere.complaint.contains("→"), "\(nowhere)")
        }
    }
}

@Suite("settings of somebody else")
struct ForeignFolderTests {
    @Test(
        "a data folder that may not be entered is no obstacle to a command that needs none",
        .enabled(if: geteuid() == 0, "only root can become somebody else")
    )
    func foreign() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "goldsmith-foreign-\(getpid())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        #expect(chmod(folder.path, 0o700) == 0)
        func export(_ more: String...) async throws -> (TerminationStatus, String) {
            let result = try await Subprocess.run(
                .path("/usr/bin/setpriv"),
                arguments: Arguments(
                    ["--reuid", "65534", "--regid", "65534", "--clear-groups", Program.path, "topology", "show"] + more
                ),
                environment: .inherit.updating(["GOLDSMITH_DATA": folder.path]),
                output: .string(limit: 1 << 20),
                error: .string(limit: 4096)
            )
            return (result.terminationStatus, result.standardError)
        }
        #expect(try await export() == (.exited(0), ""))
        // A file that is named explicitly must exist.
        let (status, complaint) = try await export("--data", folder.path)
        #expect(status == .exited(2) && complaint.contains("may this user read it"), "\(complaint)")
    }
}
