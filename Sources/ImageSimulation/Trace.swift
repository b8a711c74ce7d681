import ImageCore
import Synchronization

/// What happened in a simulation, line by line: the last lines for people, all of them as one number to compare runs.
final class Trace: Sendable {
    private struct State {
        var lines: [String] = []
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        var count = 0
    }

    private static let kept = 400
    private let start: Timestamp
    private let echo: (@Sendable (String) -> Void)?
    private let state = Mutex(State())

    init(start: Timestamp, echo: (@Sendable (String) -> Void)?) {
        self.start = start
        self.echo = echo
    }

    var hash: UInt64 { state.withLock { $0.hash } }
    func last(_ count: Int) -> [String] { state.withLock { Array($0.lines.suffix(count)) } }

    func note(_ text: String, at now: Timestamp) {
        let milliseconds = (now.microseconds - start.microseconds) / 1000
        let line = "\(milliseconds / 1000).\(String(milliseconds % 1000 + 1000).dropFirst()) \(text)"
        state.withLock { state in
            // FNV-1a: the same in every process, unlike `Hasher`.
            for byte in line.utf8 { state.hash = (state.hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
            state.lines.append(line)
            if state.lines.count > Self.kept * 2 { state.lines.removeFirst(Self.kept) }
        }
        echo?(line)
    }
}
