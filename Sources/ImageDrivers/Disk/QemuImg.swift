import FoundationEssentials
import Logging
import Synchronization

/// The only thing that touches disk formats: QEMU's own `qemu-img`.
struct QemuImg: Sendable {
    var program: String
    /// Gets its error output, which names files of this host and is not for the image's owner.
    var logger: Logger

    /// What `qemu-img info` says of one file, without opening its backing file.
    struct Info: Decodable, Equatable, Sendable {
        var virtualSize: Int64
        var format: String
        var backingFile: String?
        var backingFormat: String?
        var isEncrypted: Bool?
        /// Whether its last writer did not close it, so that its reference counts may lag behind.
        var isDirty: Bool?
        var specific: Specific?

        struct Specific: Decodable, Equatable, Sendable {
            var data: Details?
            struct Details: Decodable, Equatable, Sendable {
                var dataFile: String?
                var corrupt: Bool?
                enum CodingKeys: String, CodingKey {
                    case dataFile = "data-file"
                    case corrupt
                }
            }
        }

        enum CodingKeys: String, CodingKey {
            case virtualSize = "virtual-size"
            case format
            case backingFile = "backing-filename"
            case backingFormat = "backing-filename-format"
            case isEncrypted = "encrypted"
            case isDirty = "dirty-flag"
            case specific = "format-specific"
        }
    }

    enum Soundness: Equatable, Sendable {
        case sound
        /// Clusters that nothing refers to: they waste space and do no harm.
        case leaks
        case corrupt
    }

    /// What a few kilobytes of hostile header may cost: `info` reads headers only.
    private static let lookLimits = ChildProcess.Limits(memoryBytes: 2 << 30, processorSeconds: 30)
    private static let lookTime = Duration.seconds(60)
    /// `check` reads all of a qcow2's tables: 64 MiB for every TiB or so.
    private static let checkTime = Duration.seconds(900)

    /// - Parameter isShared: looks also at a disk that a running instance writes to. Good for its size, not for a copy.
    func info(_ node: BlockNode, isShared: Bool = false) async throws(ChildFailure) -> Info {
        let output = try await look(["info"] + (isShared ? ["-U"] : []) + ["--output=json", node.argument])
        return try Self.info(output)
    }

    /// How many bytes a copy of all that `node` holds will take.
    func requiredBytes(_ node: BlockNode) async throws(ChildFailure) -> Int64 {
        try Self.requiredBytes(try await look(["measure", "-O", "qcow2", "--output=json", node.argument]))
    }

    func check(_ node: BlockNode, onActivity: (@Sendable () -> Void)? = nil) async throws(ChildFailure) -> Soundness {
        let child = ChildProcess(
            program: program,
            arguments: ["check", "-q", node.argument],
            timeLimit: Self.checkTime
        )
        let output = try await run(child, accepting: [0, 2, 3], onActivity: onActivity)
        if output.exitCode == 2 { log(child, "exit code 2", output.errorText) }
        return output.exitCode == 0 ? .sound : output.exitCode == 3 ? .leaks : .corrupt
    }

    /// Copies all that `node` and its backing files hold into a new file, which stands alone. Holes and zeros take no room
    /// in it.
    ///
    /// QEMU writes the copy through the page cache without flushing (`-t unsafe`, its default for targets): the caller
    /// syncs once at the end and then hashes pages that are still in memory.
    /// - Parameter onBasisPoints: called with how far it is, also without an advance, while bytes flow.
    func convert(
        _ node: BlockNode,
        to target: String,
        isRaw: Bool = false,
        bytesPerSecond: Int64?,
        onBasisPoints: @escaping @Sendable (Int) -> Void
    ) async throws(ChildFailure) {
        var arguments = ["convert", "-p", "-O", isRaw ? "raw" : "qcow2"]
        if let bytesPerSecond { arguments += ["-r", String(max(1, bytesPerSecond))] }
        // Absolute, so that it is neither an option nor a protocol.
        arguments += [node.argument, target]
        let parser = ProgressReader(onBasisPoints)
        _ = try await run(
            ChildProcess(program: program, arguments: arguments),
            onOutput: { parser.read($0) },
            onActivity: { parser.repeatLast() }
        )
    }

    /// Asks for its version, to see whether it can be run.
    func version() async throws(ChildFailure) { _ = try await look(["--version"]) }

    /// Makes an empty qcow2 disk.
    func create(_ path: String, sizeBytes: Int64) async throws(ChildFailure) {
        _ = try await look(["create", "-q", "-f", "qcow2", path, String(sizeBytes)])
    }

    /// Makes a qcow2 disk larger. What is added reads as zeros.
    func grow(_ path: String, toBytes sizeBytes: Int64) async throws(ChildFailure) {
        _ = try await look(["resize", "-q", "-f", "qcow2", path, String(sizeBytes)])
    }

    /// A qcow2 file over `node`, which takes all that is written and leaves what is below as it is. Its header has room for
    /// `LayerStack.longestName` bytes to spell `node` out.
    func createLayer(_ path: String, over node: BlockNode) async throws(ChildFailure) {
        _ = try await look(["create", "-q", "-f", "qcow2", "-F", node.format, "-b", node.argument, path])
    }

    /// Copies the first bytes of a qcow2 disk into a raw file.
    /// - Parameter path: absolute, so that it is no protocol.
    func copyHead(_ path: String, to target: String, _ bytes: Int) async throws(ChildFailure) {
        let count = "count=\((bytes + 511) / 512)"
        _ = try await look(["dd", "-f", "qcow2", "-O", "raw", "bs=512", count, "if=\(path)", "of=\(target)"])
    }

    func createEmpty(_ path: String, mebibytes: Int) async throws(ChildFailure) {
        _ = try await look(["create", "-q", "-f", "qcow2", path, "\(mebibytes)M"])
    }

    private func look(_ arguments: [String]) async throws(ChildFailure) -> [UInt8] {
        let child = ChildProcess(
            program: program,
            arguments: arguments,
            timeLimit: Self.lookTime,
            limits: Self.lookLimits
        )
        return try await run(child).standardOutput
    }

    private func run(
        _ child: ChildProcess,
        accepting good: Set<Int> = [0],
        onOutput: (@Sendable (borrowing RawSpan) -> Void)? = nil,
        onActivity: (@Sendable () -> Void)? = nil
    ) async throws(ChildFailure) -> ChildProcess.Output {
        do throws(ChildFailure) {
            let output = try await child.run(onOutput: onOutput, onActivity: onActivity)
            guard good.contains(output.exitCode) else {
                throw ChildFailure(kind: .exited(output.exitCode), text: output.errorText)
            }
            return output
        } catch {
            if error.kind != .cancelled { log(child, "\(error.kind)", error.text) }
            throw error
        }
    }

    private func log(_ child: ChildProcess, _ end: String, _ said: String) {
        logger.notice(
            "qemu-img failed",
            metadata: ["command": "\(child.arguments.first ?? "")", "end": "\(end)", "said": "\(said)"]
        )
    }

    static func info(_ output: [UInt8]) throws(ChildFailure) -> Info {
        let info = try decode(Info.self, output)
        guard info.virtualSize >= 0 else { throw unreadable }
        return info
    }

    static func requiredBytes(_ output: [UInt8]) throws(ChildFailure) -> Int64 {
        struct Measure: Decodable { var required: Int64 }
        let measure = try decode(Measure.self, output)
        guard measure.required >= 0 else { throw unreadable }
        return measure.required
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, _ output: [UInt8]) throws(ChildFailure) -> Value {
        guard output.count <= ChildProcess.outputLimit else {
            throw ChildFailure(kind: .exited(0), text: "qemu-img printed too much")
        }
        guard let value = try? JSONDecoder().decode(type, from: Data(output)) else { throw unreadable }
        return value
    }

    private static let unreadable = ChildFailure(kind: .exited(0), text: "qemu-img gave an answer that cannot be read")
}

/// Shared between the stream of output and the timer that watches the child.
private final class ProgressReader: Sendable {
    private let parser = Mutex(QemuProgress())
    private let onBasisPoints: @Sendable (Int) -> Void

    init(_ onBasisPoints: @escaping @Sendable (Int) -> Void) { self.onBasisPoints = onBasisPoints }

    func read(_ bytes: borrowing RawSpan) {
        let span = copy bytes
        let now = parser.withLock { parser in
            for index in 0..<span.byteCount { parser.feed(span.unsafeLoad(fromByteOffset: index, as: UInt8.self)) }
            return parser.basisPoints
        }
        onBasisPoints(now)
    }

    func repeatLast() { onBasisPoints(parser.withLock { $0.basisPoints }) }
}
