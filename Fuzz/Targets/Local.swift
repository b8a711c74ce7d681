import FoundationEssentials
import ImageCore

@testable import ImageDrivers

extension FuzzTarget {
    /// An `instance.json`.
    static let instances = FuzzTarget(name: "instances") { input throws(BrokenPromise) in
        let folder = InstanceID(known: "i-1")
        let file: InstanceFile
        do throws(StepFailure) { file = try InstanceFile(input, folder: folder) } catch {
            try promise(error.disposition == .permanent && error.code == .failedPrecondition, "\(error)")
            try promiseShowable(error.message, atMost: 512, "the message")
            return
        }
        try promise(file.id == folder && InstanceFile.owner(in: input) == file.owner, "whose is it?")
        try promise(IdentifierRule.allows("\(file.status)"), "a status that is no word")
        let devices = file.disks.map(\.device)
        try promise(devices == Set(devices).sorted() && devices.first?.isSystem == true, "disks \(devices)")
        for disk in file.disks {
            try promise(!disk.file.contains("/") && disk.file != ".." && disk.file != ".", "\(disk.file)")
            try promise(!disk.file.utf8.contains(0) && (1...255).contains(disk.file.utf8.count), "\(disk.file)")
        }
        let again = try? InstanceFile(file.asJSON, folder: folder)
        try promise(again == file, "written and read again it is another instance")
    }

    /// What `qemu-img` prints, and what goes to it: a line that says which, then the text.
    static let qemuOutput = FuzzTarget(name: "qemu-output") { input throws(BrokenPromise) in
        var lines = Lines(input)
        switch lines.next() {
        case "progress": try checkProgress(lines.remainder)
        case "path": try checkNode(lines.text)
        case "error":
            let said = PlainText.sentence(lines.remainder)
            try promiseShowable(said, atMost: PlainText.sentenceLimit * 8 * 4, "what it said")
            try promise(said.count <= PlainText.sentenceLimit + 1, "a sentence of \(said.count) characters")
            for exit in [ChildFailure.Kind.exited(1), .exited(127), .signalled(9), .timedOut, .notStarted, .cancelled] {
                let failure = StepFailure.child(ChildFailure(kind: exit, text: said), disk: .storage)
                try promiseShowable(failure.message, atMost: said.utf8.count + 200, "the message")
            }
        case "measure": try checkAnswer(lines.remainder, QemuImg.requiredBytes, size: { $0 })
        default: try checkAnswer(lines.remainder, QemuImg.info, size: \.virtualSize)
        }
    }
}

private func checkAnswer<Value>(
    _ bytes: [UInt8],
    _ read: ([UInt8]) throws(ChildFailure) -> Value,
    size: (Value) -> Int64
) throws(BrokenPromise) {
    let value: Value
    do throws(ChildFailure) { value = try read(bytes) } catch {
        return try promiseShowable(error.text, atMost: 200, "the complaint")
    }
    try promise(size(value) >= 0, "a disk smaller than nothing")
}

private func checkProgress(_ bytes: [UInt8]) throws(BrokenPromise) {
    var parser = QemuProgress()
    var last = 0
    for byte in bytes {
        parser.feed(byte)
        try promise((last...10_000).contains(parser.basisPoints), "from \(last) to \(parser.basisPoints)")
        last = parser.basisPoints
    }
    var whole = QemuProgress()
    whole.feed(bytes)
    try promise(whole.basisPoints == last, "read at once it says something else")
}

private func checkNode(_ path: String) throws(BrokenPromise) {
    let quoted = BlockNode.quoted(path)
    try promise(quoted.utf8.allSatisfy { $0 >= 0x20 }, "a control character in \(quoted)")
    let read = try? JSONDecoder().decode(String.self, from: Data(quoted.utf8))
    try promise(read == path, "QEMU would read another path")
    let node = BlockNode.qcow2(path: path, dataFile: path, backing: .raw(path: path))
    try promise(JSONValue(parsing: node.argument.utf8.dropFirst("json:".utf8.count)) != nil, "no JSON")
}

extension InstanceFile {
    fileprivate var asJSON: [UInt8] {
        let disks = disks.map { disk in
            JSONValue.object([
                "device": .string(disk.device.description), "kind": .string(disk.kind.rawValue),
                "file": .string(disk.file), "format": .string(disk.format.rawValue),
                "autoDelete": .bool(disk.autoDelete),
            ])
        }
        return CanonicalJSON.bytes(
            JSONValue.object([
                "id": .string(id.text), "owner": .string(owner.text), "status": .string("\(status)"),
                "disks": .array(disks),
            ])
        )
    }
}
