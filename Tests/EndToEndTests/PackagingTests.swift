import FoundationEssentials
import Glibc
import GoldsmithTestSupport
import Subprocess
import SystemPackage
import Testing

@Suite("The program as people meet it", .timeLimit(.minutes(30)))
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
    private func onTerminal(
        _ arguments: [String],
        columns: Int = 200,
        _ variables: [Environment.Key: String?]
    ) async throws -> String {
        let words =
            "stty cols \(columns); exec " + ([Program.path] + arguments).map { "'\($0)'" }.joined(separator: " ")
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

    @Test("on 80 columns no word is broken, and each event of a history is one row")
    func narrow() async throws {
        try await Dev.with { dev in
            _ = try await dev.run("instance", "sample", "--id", "i-one", "--data-disks", "1", "--mib", "1")
            let made = try await dev.run(
                "image",
                "create",
                "--instance",
                "i-one",
                "--name",
                "a-rather-long-name-of-an-image",
                "--all-data-disks",
                "--wait"
            )
            #expect(made.code == 0)
            let id = try #require(made.output.firstMatch(of: #/img-[0-9a-f]{16}/#)?.output)
            let data = ["--data", dev.data]
            let plain: [Environment.Key: String?] = ["NO_COLOR": "1"]
            for arguments in [
                ["image", "list"], ["image", "show", String(id), "--history"], ["queue", "list"], ["worker", "list"],
                ["instance", "list"], ["topology", "show"], ["image", "show", "img-0000000000000000"],
                ["image", "list", "--status", "Gone", "--name", "a-rather-long-name-of-an-image"],
            ] {
                let wide = try await onTerminal(arguments + data, columns: 400, plain)
                let narrow = try await onTerminal(arguments + data, columns: 80, plain)
                let words = Set(wide.split { $0 == " " || $0.isNewline }.map(String.init))
                for line in narrow.split(whereSeparator: \.isNewline) {
                    #expect(line.count <= 80, "\(arguments): \(line)")
                    for word in line.split(separator: " ") where word.count > 6 && !word.hasSuffix("…") {
                        #expect(words.contains { $0.hasPrefix(word) }, "\(arguments) breaks a word: \(line)")
                    }
                }
            }
            let history = try await onTerminal(["image", "show", String(id), "--history"] + data, columns: 80, plain)
            let rows = history.split(whereSeparator: \.isNewline).drop { !$0.hasPrefix("History") }.dropFirst(2)
            #expect(
                rows.count > 8 && rows.allSatisfy { $0.contains(#/^\d\d:\d\d:\d\d  (image|step)\./#) },
                "\(history)"
            )
        }
    }

    @Test("a second image of one name is made, with a note")
    func sameName() async throws {
        try await Dev.with { dev in
            _ = try await dev.run("instance", "sample", "--id", "i-one", "--mib", "1")
            let first = try await dev.run("image", "create", "--instance", "i-one", "--name", "web", "--wait")
            #expect(first.code == 0 && !first.complaint.contains("another image"))
            let second = try await dev.run("image", "create", "--instance", "i-one", "--name", "web", "--wait")
            #expect(second.code == 0 && second.complaint.contains("has another image named 'web' (img-"), "\(second)")
        }
    }

    @Test("a shell is offered values, and the ids of what there is")
    func completionValues() async throws {
        try await Dev.with { dev in
            _ = try await dev.run("instance", "sample", "--id", "i-one", "--mib", "1")
            let made = try await dev.run("image", "create", "--instance", "i-one", "--name", "web", "--wait")
            let image = try #require(made.output.firstMatch(of: #/img-[0-9a-f]{16}/#)?.output)
            func offered(_ words: String) async throws -> [String] {
                try await Program.run(words.split(separator: " ").map(String.init)).output
                    .split(whereSeparator: \.isNewline).map(String.init)
            }
            let typed = "goldsmith image show --data \(dev.data)"
            #expect(
                try await offered("---completion image show -- positional@0 5 0 \(typed) ").contains(String(image))
            )
            let bash = try await Program.run(["--generate-completion-script", "bash"]).output
            for word in ["enforce", "Replicating", "stop-check", "viewer"] { #expect(bash.contains(word), "\(word)") }
        }
    }

    @Test("a page of the manual keeps what is typed as it is typed, and says the exit codes")
    func manual() async throws {
        let page = """
            .Dd June 4, 2026
            .Sh DESCRIPTION
            Asks for one.

            Examples:
              goldsmith image create --instance i-web1   --name web
              goldsmith image list

            And so on.
            .Bl -tag -width 6n
            .El
            .Sh "EXIT STATUS"
            .Ex -std
            """
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(
            path: "../../scripts/man-page.awk"
        )
        let made = try await Subprocess.run(
            .name("awk"),
            arguments: ["-f", script.path],
            input: .string(page),
            output: .string(limit: 65_536),
            error: .string(limit: 65_536)
        )
        let text = made.standardOutput
        #expect(made.terminationStatus.isSuccess, "\(made.standardError)")
        #expect(
            text.contains(
                ".Bd -literal -offset 2n\ngoldsmith image create --instance i-web1   --name web\ngoldsmith image list\n.Ed"
            ),
            "\(text)"
        )
        #expect(text.contains("Asks for one.\n.Pp\nExamples:\n") && !text.contains("\n\n") && !text.contains(".Ex"))
        for code in 0...5 { #expect(text.contains(".It \(code)\n"), "\(text)") }
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
