import FoundationEssentials
import Glibc
import GoldsmithTestSupport
import Subprocess
import SystemPackage
import Testing

@Suite("The program as people meet it", .timeLimit(.minutes(5)))
struct PackagingTests {
    private struct Help: Decodable {
        struct Command: Decodable {
            var commandName: String
            var abstract: String?
            var discussion: String?
            var shouldDisplay: Bool?
            var subcommands: [Command]?
        }

        var command: Command
    }

    /// Every command that people see, with its name in full.
    private func commands(_ command: Help.Command, under path: String = "") -> [(name: String, command: Help.Command)] {
        guard command.shouldDisplay != false, command.commandName != "help" else { return [] }
        let name = path + command.commandName
        return [(name, command)] + (command.subcommands ?? []).flatMap { commands($0, under: name + " ") }
    }

    @Test("every command has an abstract, a discussion and an example of itself")
    func help() async throws {
        let dump = try await Program.run(["--experimental-dump-help"])
        let all = commands(try JSONDecoder().decode(Help.self, from: Data(dump.output.utf8)).command)
        #expect(all.count > 40)
        for (name, command) in all {
            #expect(command.abstract?.isEmpty == false, "\(name)")
            #expect(command.discussion?.contains(name) == true, "\(name) has no example")
        }
    }

    @Test(
        "completions are whole: their shell reads them, and they know the commands",
        arguments: ["bash", "zsh", "fish"]
    )
    func completions(shell: String) async throws {
        let script = try await Program.run(["--generate-completion-script", shell])
        #expect(script.code == 0)
        for word in ["image", "topology", "parked", "doctor"] { #expect(script.output.contains(word), "\(word)") }
        let file = "/tmp/goldsmith-completion-\(getpid()).\(shell)"
        defer { unlink(file) }
        try script.output.write(toFile: file, atomically: true, encoding: .utf8)
        let read = try await Subprocess.run(
            .name(shell),
            arguments: ["-n", file],
            output: .discarded,
            error: .string(limit: 65_536)
        )
        #expect(read.terminationStatus.isSuccess, "\(read.standardError)")
    }

    /// Runs the program on a terminal of its own.
    private func onTerminal(_ arguments: [String], _ variables: [Environment.Key: String?]) async throws -> String {
        let words = ([Program.path] + arguments).map { "'\($0)'" }.joined(separator: " ")
        return try await Subprocess.run(
            .path("/usr/bin/script"),
            arguments: ["-qec", words, "/dev/null"],
            environment: .inherit.updating(variables),
            input: .none,
            output: .string(limit: 1 << 20),
            error: .discarded
        ).standardOutput
    }

    @Test("colour, local times and ages are for terminals only; NO_COLOR and TZ are heeded")
    func terminal() async throws {
        try await Dev.with { dev in
            _ = try await dev.run("instance", "sample", "--id", "i-one", "--mib", "1")
            #expect(try await dev.run("image", "create", "--instance", "i-one", "--name", "one", "--wait").code == 0)
            let list = ["image", "list", "--data", dev.data]

            let seen = try await onTerminal(list, ["TZ": "Asia/Tokyo", "NO_COLOR": nil])
            #expect(seen.contains("\u{1B}["), "\(seen)")
            #expect(seen.contains(#/\d\d:\d\d:\d\d JST \((now|\d+ (s|min) ago)\)/#), "\(seen)")

            let plain = try await onTerminal(list, ["TZ": "Asia/Tokyo", "NO_COLOR": "1"])
            #expect(!plain.contains("\u{1B}"))
            #expect(plain.contains(" JST ("))

            for arguments in [list, list + ["--json"]] {
                let piped = try await Program.run(arguments, environment: ["TZ": "Asia/Tokyo"])
                #expect(!piped.output.contains("\u{1B}"))
                #expect(piped.output.contains(#/T\d\d:\d\d:\d\d\.\d{3}Z/#), "\(piped.output)")
            }
            let json = try await onTerminal(list + ["--json"], ["TZ": "Asia/Tokyo", "NO_COLOR": nil])
            #expect(json.contains(#/T\d\d:\d\d:\d\d\.\d{3}Z/#))
            #expect(!json.contains("\u{1B}"))
        }
    }

    @Test(
        "an error ends with a next step",
        arguments: [
            ["image", "show", "../etc"], ["console", "user", "alice", "--role", "emperor"],
            ["quota", "set", "--images", "-1"], ["database", "status", "--data", "/nowhere/at/all"],
        ]
    )
    func nextStep(arguments: [String]) async throws {
        let result = try await Program.run(arguments)
        #expect(result.code != 0)
        #expect(result.complaint.contains("\n  → ") || result.complaint.contains("--help"), "\(result.complaint)")
    }

    @Test("somebody who cannot be called so is told before a password is wanted")
    func badName() async throws {
        let result = try await Program.run(["console", "user", "a:b", "--role", "viewer"])
        #expect(result.code == 2 && result.complaint.contains("the name:"), "\(result)")
    }
}
