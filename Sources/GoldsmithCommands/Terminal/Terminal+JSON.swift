import Foundation
import TerminalText

extension Terminal {
    static func say(json value: some Encodable) throws(CommandFailure) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let bytes = try? encoder.encode(value) else { throw CommandFailure(.failed, "cannot encode the answer") }
        // As it is: programs read it.
        write(String(decoding: bytes, as: UTF8.self) + "\n")
    }
}
