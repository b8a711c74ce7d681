/// Columns under headings, as wide as their widest cell, and never wider than the terminal: where there is less room, a
/// column gives way in the manner it was declared with, and no word is broken.
public struct Table: Sendable {
    /// A column, by its heading. A literal is one that is kept as it is.
    public struct Column: Sendable, ExpressibleByStringLiteral {
        enum Manner: Equatable, Sendable {
            case kept
            case wrapped
            case clipped
            case dropped(Int)
        }

        let heading: String
        let manner: Manner

        public init(stringLiteral heading: String) { self.init(heading: heading, manner: .kept) }

        private init(heading: String, manner: Manner) {
            self.heading = heading
            self.manner = manner
        }

        /// Breaks its cells between words.
        public static func wrapped(_ heading: String) -> Column { Column(heading: heading, manner: .wrapped) }
        /// Cuts its cells' ends, so that a row stays one line.
        public static func clipped(_ heading: String) -> Column { Column(heading: heading, manner: .clipped) }
        /// Is left out, the one with the lowest `order` first.
        public static func dropped(_ heading: String, _ order: Int) -> Column {
            Column(heading: heading, manner: .dropped(order))
        }
    }

    /// What stands in a cell, and what says nearly as much in less room.
    public struct Cell: Sendable {
        public var text: String
        public var short: String

        public init(_ text: String, short: String? = nil) {
            self.text = text
            self.short = short ?? text
        }
    }

    private let columns: [Column]
    private var rows: [[Cell]] = []

    public init(_ columns: Column...) { self.columns = columns }

    public mutating func add(_ cells: String...) { rows.append(cells.map { Cell($0) }) }
    public mutating func add(_ cells: Cell...) { rows.append(cells) }

    private static let gap = 2
    /// A column is left out before text is made narrower than this.
    private static let comfortable = 24

    /// - Parameters:
    ///   - width: the terminal's, in columns; `nil` for no limit.
    ///   - heading: how the line of headings is shown.
    public func text(width: Int? = nil, heading: (String) -> String = { $0 }) -> String {
        let grid = rows.map { row in columns.indices.map { row.indices.contains($0) ? row[$0] : Cell("") } }
        let all = Array(columns.indices)
        let full = Layout(columns, all, grid.map { $0.map(\.text) })
        guard let width, full.naturalWidth > width else { return full.text(heading) }
        let cells = grid.map { $0.map(\.short) }
        // An empty column says nothing.
        let telling = all.filter { column in cells.contains { !["", "–"].contains($0[column]) } }
        var shown = telling
        while true {
            let layout = Layout(columns, shown, cells)
            if let fitting = layout.fitted(to: width, atLeast: Self.comfortable) { return fitting.text(heading) }
            guard
                let next = shown.filter({ columns[$0].order != nil })
                    .min(by: { (columns[$0].order ?? 0) < (columns[$1].order ?? 0) })
            else { break }
            shown.removeAll { $0 == next }
        }
        // A list has room for all of them again.
        return Layout(columns, shown, cells).fitted(to: width, atLeast: 0)?.text(heading)
            ?? Layout(columns, telling, cells).records(width)
    }

    /// Some columns with a width each.
    private struct Layout {
        let columns: [Column]
        let cells: [[String]]
        var widths: [Int]

        init(_ columns: [Column], _ shown: [Int], _ cells: [[String]]) {
            self.columns = shown.map { columns[$0] }
            self.cells = cells.map { row in shown.map { row[$0] } }
            widths = []
            widths = self.columns.indices.map { column in
                max(self.columns[column].heading.count, self.cells.map { $0[column].visibleWidth }.max() ?? 0)
            }
        }

        var naturalWidth: Int { widths.reduce(0, +) + gap * max(0, widths.count - 1) }

        /// The narrowest a column can be.
        private func floor(_ column: Int, atLeast comfortable: Int) -> Int {
            let heading = columns[column].heading
            return switch columns[column].manner {
            case .kept, .dropped: widths[column]
            case .wrapped:
                min(widths[column], max(heading.count, comfortable, cells.map { $0[column].widestWord }.max() ?? 0))
            case .clipped: min(widths[column], max(heading.count, comfortable, 12))
            }
        }

        /// The same with columns that give way made narrower, the widest first; `nil` when that is not enough.
        func fitted(to width: Int, atLeast comfortable: Int) -> Layout? {
            var layout = self
            let floors = widths.indices.map { floor($0, atLeast: comfortable) }
            while layout.naturalWidth > width {
                let slack = widths.indices.filter { layout.widths[$0] > floors[$0] }
                guard let widest = slack.max(by: { layout.widths[$0] < layout.widths[$1] }) else { return nil }
                layout.widths[widest] -= 1
            }
            return layout
        }

        func text(_ heading: (String) -> String) -> String {
            let head = heading(line(columns.map(\.heading)))
            return ([head] + cells.flatMap(lines)).joined(separator: "\n")
        }

        private func lines(_ row: [String]) -> [String] {
            let parts = row.indices.map { part(row[$0], $0) }
            return (0..<(parts.map(\.count).max() ?? 1)).map { index in
                line(parts.map { index < $0.count ? $0[index] : "" })
            }
        }

        /// The lines of one cell.
        private func part(_ cell: String, _ column: Int) -> [String] {
            guard cell.visibleWidth > widths[column] else { return [cell] }
            return switch columns[column].manner {
            case .kept, .dropped: [cell]
            case .wrapped: Wrapping.lines(cell, width: widths[column])
            case .clipped: [cell.prefix(widths[column] - 1) + "…"]
            }
        }

        private func line(_ cells: [String]) -> String {
            var line = ""
            for (index, cell) in cells.enumerated() {
                line += cell
                let room = index == cells.count - 1 ? 0 : widths[index] - cell.visibleWidth + gap
                line += String(repeating: " ", count: max(0, room))
            }
            // An empty last column leaves only room behind.
            while line.last == " " { line.removeLast() }
            return line
        }

        /// Each row as lines of `HEADING  cell`, where not even its narrowest columns stand side by side.
        func records(_ width: Int) -> String {
            let label = (columns.map(\.heading.count).max() ?? 0) + gap
            return cells.map { row in
                row.enumerated().filter { !$0.element.isEmpty }.map { index, cell in
                    let heading = columns[index].heading
                    let start = heading + String(repeating: " ", count: label - heading.count)
                    let parts = Wrapping.lines(cell, width: max(1, width - label))
                    return start + parts.joined(separator: "\n" + String(repeating: " ", count: label))
                }.joined(separator: "\n")
            }.joined(separator: "\n\n")
        }
    }
}

extension Table.Column {
    /// Where it stands among those that may be left out.
    fileprivate var order: Int? { if case .dropped(let order) = manner { order } else { nil } }
}
