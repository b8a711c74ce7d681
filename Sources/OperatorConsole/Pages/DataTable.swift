/// A table whose first column names the row. On a narrow screen each row becomes a card, whose lines say their column.
struct DataTable {
    struct Cell {
        var html: HTML
        var isNumber = false

        static func text(_ text: String?) -> Cell { Cell(html: HTML(text ?? "–")) }
        static func code(_ text: String?) -> Cell { Cell(html: text.map { text in tag(.code) { text } } ?? HTML("–")) }
        static func number(_ text: String?) -> Cell { Cell(html: HTML(text ?? "–"), isNumber: true) }
        static func checksum(_ text: String?) -> Cell {
            Cell(html: text.map { text in tag(.code, .class("sum")) { text } } ?? HTML("–"))
        }
        static func mark(_ mark: Mark) -> Cell { Cell(html: mark.html) }
        static func html(_ html: HTML) -> Cell { Cell(html: html) }
    }

    let caption: String
    /// Stands beside the caption.
    var aside: HTML = .nothing
    /// Where a heading above the table says the same.
    var isCaptionHidden = false
    let columns: [String]
    let rows: [[Cell]]

    var html: HTML {
        tag(.table, .class("data")) {
            tag(.caption, .class(isCaptionHidden ? "unseen" : "seen")) {
                caption
                if aside != .nothing { tag(.small) { aside } }
            }
            tag(.thead) { tag(.tr) { for name in columns { tag(.th, Attribute("scope", "col")) { name } } } }
            tag(.tbody) {
                for row in rows {
                    tag(.tr) {
                        for (index, cell) in row.enumerated() {
                            if index == 0 {
                                tag(.th, Attribute("scope", "row")) { cell.html }
                            } else {
                                tag(
                                    .td,
                                    .class(cell.isNumber ? "number" : "text"),
                                    Attribute("data-label", index < columns.count ? columns[index] : "")
                                ) { cell.html }
                            }
                        }
                    }
                }
            }
        }
    }
}
