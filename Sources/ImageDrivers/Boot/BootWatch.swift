import Glibc
import ImageCore
import Synchronization

/// What is known of a running machine, from all who look at it.
final class BootWatch: Sendable {
    private struct State {
        var console = BootConsole()
        var bytes = 0
        var agent = false
        var screen: [String] = []
        var screenSign: BootSign?
        /// What was seen on the serial line when the screen was read last.
        var bytesAtLook = 0
        var isReading = false
    }
    private let state = Mutex(State())

    func feed(_ span: borrowing RawSpan) {
        let bytes = span.withUnsafeBytes { Array($0) }
        state.withLock { state in
            state.bytes += bytes.count
            state.console.feed(bytes)
        }
    }

    /// Whether the screen is worth a look: the serial line has been silent since the last one, and nobody is reading.
    func beginLook() -> Bool {
        state.withLock { state in
            let isSilent = state.bytes == state.bytesAtLook
            state.bytesAtLook = state.bytes
            guard isSilent, !state.isReading else { return false }
            state.isReading = true
            return true
        }
    }

    /// - Parameter text: what was read on the screen; `nil` when it could not be read.
    func endLook(_ text: [UInt8]?) {
        let lines = (text ?? []).split(separator: 0x0A)
        let sign = lines.lazy.compactMap { BootSign(onScreen: $0) }.first
        let shown = lines.suffix(BootConsole.excerptLines).map {
            PlainText.sentence(String(decoding: $0, as: UTF8.self))
        }
        state.withLock { state in
            state.isReading = false
            state.screenSign = state.screenSign ?? sign
            // QEMU itself says that the guest has shown nothing yet.
            let isEmpty = shown.allSatisfy { $0.hasPrefix("Guest has not initialized the display") }
            if !isEmpty { state.screen = shown }
        }
    }

    func agentAnswered() { state.withLock { $0.agent = true } }

    /// The console's first: a guest that has failed may still have an agent.
    var sign: BootSign? { state.withLock { $0.console.sign ?? $0.screenSign ?? ($0.agent ? .guestAgent : nil) } }
    /// Whether the serial line did not show it.
    var isFromScreen: Bool { state.withLock { $0.console.sign == nil && $0.screenSign != nil } }
    var hasSeenAnything: Bool { state.withLock { $0.bytes > 0 || $0.agent || $0.screenSign != nil } }
    var text: [UInt8] { state.withLock { $0.console.text } }
    /// What the guest has shown last: on the screen, if that decided or nothing else was seen.
    var excerpt: [String] {
        state.withLock { state in
            let console = state.console.excerpt
            let isScreen = console.isEmpty || (state.console.sign == nil && state.screenSign != nil)
            return isScreen && !state.screen.isEmpty ? state.screen : console
        }
    }
}
