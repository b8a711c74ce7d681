import Testing

@testable import ImageCore

/// Names that come from outside and end up in paths, queues and messages.
struct NameTests {
    @Test("All 65 device names read back, in the guest's order")
    func deviceNames() {
        let all = (0...64).map { Sample.device($0) }
        #expect(all.map(\.position) == Array(0...64))
        #expect(all.map { DeviceName($0.description) } == all)
        #expect(Set(all.map(\.shortName)).count == 65)
        #expect(
            [0, 1, 25, 26, 51, 52, 64].map { all[$0].description } == [
                "/dev/vda", "/dev/vdb", "/dev/vdz", "/dev/vdaa", "/dev/vdaz", "/dev/vdba", "/dev/vdbm",
            ]
        )
        #expect(all.sorted() == all)
    }

    @Test(
        "What is no device name is refused",
        arguments: [
            "", "/dev/vd", "/dev/vdbn", "/dev/vdzz", "/dev/vdaaa", "/dev/vdA", "/dev/vd1", "vda", "/dev/sda",
            "/DEV/vda", "/dev/vda ",
            " /dev/vda", "/dev/vda\0", "/dev/vda\n", "/dev/vdá", "/dev/vda/../sda", "/dev/vd\u{430}",
        ]
    )
    func notDeviceNames(_ text: String) {
        #expect(DeviceName(text) == nil)
        #expect((try? CanonicalJSON.decode(DeviceName.self, from: CanonicalJSON.bytes(text))) == nil)
    }

    @Test("A position outside the names is none", arguments: [-1, 65, .min, .max])
    func positions(_ position: Int) { #expect(DeviceName(position: position) == nil) }

    static let jobs: [(Job, String)] = [
        (.stopCheck, "stop-check"), (.systemDisk, "system-disk"), (.dataDisk(Sample.device(1)), "data-disk:/dev/vdb"),
        (.dataDisk(Sample.device(25)), "data-disk:/dev/vdz"), (.dataDisk(Sample.device(26)), "data-disk:/dev/vdaa"),
        (.replicate(LocationName(known: "east")), "replicate:east"),
        (.replicate(LocationName(known: "west")), "replicate:west"),
        (.cleanUp(ResourceID(image: Sample.imageID, part: "vdb", fence: 7)), "clean-up:img-0123456789abcdef.vdb.7"),
    ]

    @Test("A job reads back from its text, and jobs order as they are done", arguments: jobs)
    func jobTexts(job: Job, text: String) throws {
        #expect(job.description == text)
        #expect(Job(text) == job)
        #expect(try CanonicalJSON.decode([Job: Int].self, from: CanonicalJSON.bytes([job: 1])) == [job: 1])
        #expect(CanonicalJSON.text([job: 1]) == #"{"\#(text)":1}"#)
        #expect(Self.jobs.shuffled().map(\.0).sorted() == Self.jobs.map(\.0))
    }

    @Test(
        "What is no job is refused",
        arguments: [
            "", ":", "stop-check:", "stop-check:x", "system-disk:/dev/vda", "data-disk", "data-disk:",
            "data-disk:/dev/vda",
            "data-disk:vdb", "data-disk:/dev/vdb:x", "replicate", "replicate:", "replicate:../x", "replicate:-rf",
            "clean-up",
            "clean-up:", "clean-up:a/b", "clean-up:..", "Stop-Check", "delete:all", "data-disk :/dev/vdb",
        ]
    )
    func notJobs(_ text: String) { #expect(Job(text) == nil) }

    @Test("A resource's id says whose it is, and is one path component", arguments: [0, 1, Int64.max])
    func resourceIDs(_ fence: Int64) {
        let id = ResourceID(image: Sample.imageID, part: "vdb", fence: fence)
        #expect(id.text == "img-0123456789abcdef.vdb.\(fence)")
        #expect(ResourceID(id.text) == id)
        #expect(id.imageID == Sample.imageID)
    }

    @Test("The longest names still make a file name")
    func longestResourceID() {
        let long = String(repeating: "a", count: 63)
        let id = ResourceID(image: ImageID(known: long), part: long, fence: .max)
        #expect(id.text.utf8.count < 255)
        #expect(ResourceID(id.text) == id)
    }

    @Test(
        "What could leave its folder is no resource",
        arguments: ["", ".", "..", "../a", "a/b", "-a", ".a", "a\0", "a\n", "ä", String(repeating: "a", count: 201)]
    )
    func notResourceIDs(_ text: String) {
        #expect(ResourceID(text) == nil)
        #expect((try? CanonicalJSON.decode(ResourceID.self, from: CanonicalJSON.bytes(text))) == nil)
    }
}
