/// An element of an XML document, with all that is in it, so that it can be changed and written again.
///
/// Comments and processing instructions are not kept.
public struct XMLElement: Equatable, Sendable {
    public enum Node: Equatable, Sendable {
        case element(XMLElement)
        case text(String)
    }

    /// As it is written, with its prefix.
    public var name: String
    /// The URI of its namespace.
    public var namespace: String?
    /// By their names as they are written, the declarations of namespaces among them, in their order.
    public var attributes: [Attribute]
    public var nodes: [Node]

    public struct Attribute: Equatable, Sendable {
        public var name: String
        public var value: String
    }

    public init(_ name: String, _ attributes: KeyValuePairs<String, String> = [:], _ elements: [XMLElement] = []) {
        self.name = name
        self.attributes = attributes.map { Attribute(name: $0.key, value: $0.value) }
        nodes = elements.map { .element($0) }
    }

    public init(_ name: String, _ attributes: KeyValuePairs<String, String> = [:], text: String) {
        self.init(name, attributes)
        nodes = [.text(text)]
    }

    public subscript(attribute: String) -> String? {
        get { attributes.first { $0.name == attribute }?.value }
        set {
            let index = attributes.firstIndex { $0.name == attribute }
            switch (index, newValue) {
            case (let index?, let value?): attributes[index].value = value
            case (let index?, nil): attributes.remove(at: index)
            case (nil, let value?): attributes.append(Attribute(name: attribute, value: value))
            case (nil, nil): break
            }
        }
    }

    /// The elements right below.
    public var elements: [XMLElement] {
        nodes.compactMap { if case .element(let element) = $0 { element } else { nil } }
    }

    /// The text right below.
    public var text: String {
        nodes.reduce(into: "") { text, node in if case .text(let part) = node { text += part } }
    }

    public func all(_ name: String) -> [XMLElement] { elements.filter { $0.name == name } }

    /// The first of that name, along a path of names.
    public func first(_ path: String...) -> XMLElement? {
        path.reduce(self as XMLElement?) { element, name in element?.elements.first { $0.name == name } }
    }

    /// Keeps, of the elements right below, what `change` makes of them. What stands between them goes.
    public mutating func keep(_ change: (XMLElement) -> XMLElement?) {
        nodes = elements.compactMap(change).map { .element($0) }
    }

    /// Puts an element in the place of those of its name, or at the end.
    public mutating func set(_ element: XMLElement) {
        let kept = elements.filter { $0.name != element.name }
        nodes = (kept + [element]).map { .element($0) }
    }

    /// The element as a document.
    public var document: String {
        var text = ""
        write(to: &text)
        return text
    }

    private func write(to text: inout String) {
        text += "<" + name
        for attribute in attributes { text += " \(attribute.name)=\"\(Self.escaped(attribute.value))\"" }
        guard !nodes.isEmpty else {
            text += "/>"
            return
        }
        text += ">"
        for node in nodes {
            switch node {
            case .element(let element): element.write(to: &text)
            case .text(let part): text += Self.escaped(part, keepsBreaks: true)
            }
        }
        text += "</\(name)>"
    }

    /// - Parameter keepsBreaks: in attributes white space other than blanks is escaped, since readers make blanks of it.
    private static func escaped(_ text: String, keepsBreaks: Bool = false) -> String {
        text.unicodeScalars.reduce(into: "") { escaped, scalar in
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "\t" where !keepsBreaks, "\n" where !keepsBreaks, "\r": escaped += "&#\(scalar.value);"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
    }
}

/// Why a text is no XML document that is taken here.
public struct XMLProblem: Error, Equatable, Sendable {
    public var message: String
}
