/// Markup that is safe to send. Its initializers are private to this file: whatever is not an element is text, and text
/// is always escaped, so a page cannot hold markup that came from outside.
struct HTML: Sendable, Equatable {
    private(set) var markup: String

    private init(markup: String) { self.markup = markup }

    static let nothing = HTML(markup: "")

    /// Text, escaped.
    init(_ text: String) { markup = Self.escaped(text) }

    /// An element with its attributes and content.
    init(_ name: Tag, _ attributes: [Attribute], _ content: HTML) {
        var markup = "<\(name.rawValue)"
        for attribute in attributes { markup += attribute.markup }
        markup += ">"
        if !name.isVoid { markup += content.markup + "</\(name.rawValue)>" }
        self.markup = markup
    }

    static func joined(_ parts: [HTML]) -> HTML { HTML(markup: parts.map(\.markup).joined()) }

    /// The whole document, with the declaration browsers want.
    static func document(_ root: HTML) -> HTML { HTML(markup: "<!doctype html>\n" + root.markup) }

    /// One rule for text and for attributes, which always stand in double quotes.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        escaped.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            // HTML has no way to write it.
            case "\u{0}": escaped += "\u{FFFD}"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}

/// The elements that pages use.
enum Tag: String {
    case html, head, meta, title, link, script, body
    case header, nav, main, footer, section, aside
    case h1, h2, h3, p, div, span, a, strong, code, small, time, br
    case ul, li, dl, dt, dd
    case table, caption, thead, tbody, tr, th, td
    case form, fieldset, legend, label, input, button, select, option
    case progress, details, summary
    case svg, polyline, rect, line

    /// Elements that have no content and no end.
    var isVoid: Bool {
        switch self {
        case .meta, .link, .input, .br: true
        default: false
        }
    }
}

/// One attribute. The name is written in the source, the value may come from anywhere.
struct Attribute: Sendable {
    let markup: String

    init(_ name: StaticString, _ value: String) { markup = " \(name)=\"\(HTML.escaped(value))\"" }
    init(_ name: StaticString, _ value: Int) { self.init(name, String(value)) }

    /// An attribute that says all by being there, such as `required`.
    init(_ name: StaticString) { markup = " \(name)" }

    static func `class`(_ names: String) -> Attribute { Attribute("class", names) }
    static func id(_ name: String) -> Attribute { Attribute("id", name) }
    static func name(_ name: String) -> Attribute { Attribute("name", name) }
    static func value(_ text: String) -> Attribute { Attribute("value", text) }
    static func type(_ kind: String) -> Attribute { Attribute("type", kind) }
    /// Addresses are made by `Route` only, so that no link leads elsewhere or runs anything.
    static func href(_ route: Route) -> Attribute { Attribute("href", route.address) }
    static func action(_ route: Route) -> Attribute { Attribute("action", route.address) }
    static func label(_ text: String) -> Attribute { Attribute("aria-label", text) }
    static let hidden = Attribute("aria-hidden", "true")
}

/// An element with content.
func tag(_ name: Tag, _ attributes: Attribute..., @HTMLBuilder content: () -> HTML) -> HTML {
    HTML(name, attributes, content())
}

/// An element without content.
func tag(_ name: Tag, _ attributes: Attribute...) -> HTML { HTML(name, attributes, .nothing) }

/// Content as a list of elements and texts, with conditions and loops.
@resultBuilder
enum HTMLBuilder {
    static func buildExpression(_ element: HTML) -> HTML { element }
    static func buildExpression(_ text: String) -> HTML { HTML(text) }
    static func buildExpression(_ text: String?) -> HTML { text.map { HTML($0) } ?? .nothing }
    static func buildBlock(_ parts: HTML...) -> HTML { .joined(parts) }
    static func buildOptional(_ part: HTML?) -> HTML { part ?? .nothing }
    static func buildEither(first part: HTML) -> HTML { part }
    static func buildEither(second part: HTML) -> HTML { part }
    static func buildArray(_ parts: [HTML]) -> HTML { .joined(parts) }
}
