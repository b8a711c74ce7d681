import Foundation
import GoldsmithTestSupport
import ImageCore
import ImageDrivers
import Testing

@Suite("A worker's tools are tried as work uses them", .timeLimit(.minutes(30)))
struct ToolTrialTests {
    /// A program in place of `qemu-img`.
    private func script(_ scratch: DriverScratch, _ text: String) throws -> String {
        let path = scratch.path("qemu-img")
        try Data("#!/bin/sh\n\(text)\n".utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        return path
    }

    @Test("where all is well nothing is told, and nothing is left")
    func sound() async throws {
        let scratch = try DriverScratch()
        #expect(await scratch.driver.tryTools() == [])
        for folder in ["images", "snapshots", "instances", "locations/east", "locations/west"] {
            #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path(folder)).isEmpty, "\(folder)")
        }
    }

    @Test(
        "a qemu-img that is missing, ends with an error, or fails only when it copies is told, with its words",
        arguments: [
            ("exit 126", "126"), ("echo cannot open shared object file >&2; exit 127", "shared object"),
            (#"if [ "$1" = convert ]; then echo seccomp >&2; exit 1; fi; exec /usr/bin/qemu-img "$@""#, "seccomp"),
        ]
    )
    func program(script text: String, said: String) async throws {
        let scratch = try DriverScratch()
        let driver = DriverScratch.driver(at: scratch.root, qemuImg: try script(scratch, text))
        let faults = try known(await driver.tryTools())
        #expect(faults.map(\.tool) == [.diskProgram])
        #expect(faults[0].reason.contains(said) && faults[0].advice != nil, "\(faults)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path("images")).isEmpty)
    }

    @Test("a location that is not mounted is told by its name, and works again once it is there")
    func location() async throws {
        let scratch = try DriverScratch()
        try FileManager.default.removeItem(atPath: scratch.path("locations", "west"))
        let west = try known(LocationName("west"))
        #expect(await scratch.driver.tryTools()?.map(\.tool) == [.location(west)])
        try FileManager.default.createDirectory(
            atPath: scratch.path("locations", "west"),
            withIntermediateDirectories: true
        )
        #expect(await scratch.driver.tryTools() == [])
        try FileManager.default.removeItem(atPath: scratch.path("locations", "west"))
        try Data().write(to: URL(fileURLWithPath: scratch.path("locations", "west")))
        #expect(await scratch.driver.tryTools()?.map(\.tool) == [.location(west)], "a file is no folder")
    }

    @Test("a data folder that cannot be written is told", arguments: ["images", "snapshots"])
    func storage(folder: String) async throws {
        let scratch = try DriverScratch()
        try FileManager.default.removeItem(atPath: scratch.path(folder))
        try Data().write(to: URL(fileURLWithPath: scratch.path(folder)))
        #expect(await scratch.driver.tryTools()?.map(\.tool) == [.storage])
    }
}
