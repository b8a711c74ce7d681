import ImageCore
import Operations
import TerminalText

/// One line on a terminal that says how far something is, and goes away when it is done.
struct Meter: Sendable {
    let isShown: Bool

    func show(_ progress: CopyProgress) {
        guard isShown, progress.totalBytes > 0 else { return }
        let percent = progress.doneBytes * 100 / progress.totalBytes
        Terminal.write("\r\(percent) % of \(Quantity.bytes(progress.totalBytes))\u{1B}[K")
    }

    func clear() {
        if isShown { Terminal.write("\r\u{1B}[K") }
    }
}
