/// A number's recent past as a small line.
enum Sparkline {
    private static let width = 120.0
    private static let height = 24.0

    static func html(_ values: [Int], length: Int) -> HTML {
        let top = Double(max(values.max() ?? 0, 1))
        // The newest stands at the right edge; a short past leaves room at the left.
        let step = width / Double(max(length - 1, 1))
        let begin = width - step * Double(max(values.count - 1, 0))
        let points = values.enumerated().map { index, value in
            let x = begin + step * Double(index)
            let y = height - 2 - Double(value) / top * (height - 4)
            return "\(Timeline.number(x)),\(Timeline.number(y))"
        }
        return tag(
            .svg,
            .class("spark"),
            Attribute("viewBox", "0 0 120 24"),
            Attribute("width", 120),
            Attribute("height", 24),
            Attribute("role", "img"),
            .label(words(values))
        ) {
            tag(
                .line,
                .class("axis"),
                Attribute("x1", 0),
                Attribute("y1", 22),
                Attribute("x2", 120),
                Attribute("y2", 22)
            )
            if points.count > 1 { tag(.polyline, Attribute("points", points.joined(separator: " "))) }
        }
    }

    private static func words(_ values: [Int]) -> String {
        guard let last = values.last, let most = values.max(), let least = values.min() else { return "no past yet" }
        return least == most ? "steady at \(last)" : "now \(last), between \(least) and \(most) lately"
    }
}
