import ImageCore
import Synchronization

/// Images this process has written lately, beside the very text they stand in the database as.
///
/// Reading an image's document is most of what a short transaction costs. A worker mostly meets an image again that it
/// has just written, so the text is compared, and only unknown text is decoded. Nothing is taken from here on trust:
/// the database is asked each time, and the same text is the same image, independent of its writer.
final class DecodedImages: Sendable {
    private struct Entry {
        var text: String
        var image: Image
    }

    /// Enough for the images that a worker has in hand; some kilobytes each.
    private static let limit = 128

    private struct State {
        var entries: [ImageID: Entry] = [:]
        /// The oldest is forgotten first.
        var order: [ImageID] = []
    }

    private let state = Mutex(State())

    /// The image that stands as `text`, when it is known.
    func image(_ id: ImageID, as text: String) -> Image? {
        state.withLock { state in
            guard let entry = state.entries[id], entry.text == text else { return nil }
            return entry.image
        }
    }

    /// The image as this process last wrote it, and the text it was written as. Others may have moved it since.
    func last(_ id: ImageID) -> (image: Image, text: String)? {
        state.withLock { state in state.entries[id].map { ($0.image, $0.text) } }
    }

    func remember(_ image: Image, as text: String) {
        state.withLock { state in
            if state.entries.updateValue(Entry(text: text, image: image), forKey: image.id) == nil {
                state.order.append(image.id)
            }
            guard state.order.count > Self.limit * 2 else { return }
            for id in state.order.prefix(Self.limit) { state.entries[id] = nil }
            state.order.removeFirst(Self.limit)
        }
    }
}
