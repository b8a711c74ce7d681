/// A queue with cheap removal at the front.
struct FIFO<Element> {
    private var elements: [Element] = []
    private var head = 0

    var isEmpty: Bool { head == elements.count }
    var count: Int { elements.count - head }
    var contents: ArraySlice<Element> { elements[head...] }
    var first: Element? { isEmpty ? nil : elements[head] }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func append(contentsOf new: some Sequence<Element>) { elements.append(contentsOf: new) }

    mutating func prepend(contentsOf new: some Collection<Element>) {
        elements.replaceSubrange(..<head, with: new)
        head = 0
    }

    mutating func popFirst() -> Element? {
        guard let element = first else { return nil }
        head += 1
        // Moving the rest down only when at least half is dead keeps removal constant on average.
        if head >= 32, head * 2 >= elements.count {
            elements.removeFirst(head)
            head = 0
        }
        return element
    }

    mutating func removeAll() -> [Element] {
        defer { self = FIFO() }
        return Array(elements[head...])
    }
}
