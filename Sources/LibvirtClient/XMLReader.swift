import Glibc

/// Reads XML documents with libxml2, which is loaded when it is asked for; wherever libvirt is, it is too.
///
/// Only its reader's functions are used: what its structures look like differs between versions.
struct XMLReader: Sendable {
    /// Debian 12 and 13 have the first.
    private static let names = ["libxml2.so.2", "libxml2.so.16"]
    /// libvirt takes 10 MB at most, and describes a domain in some KiB.
    static let sizeLimit = 4 << 20

    typealias Handle = OpaquePointer
    typealias Text = UnsafePointer<CChar>

    private let open: @convention(c) @Sendable (Text, CInt, Text?, Text?, CInt) -> Handle?
    private let close: @convention(c) @Sendable (Handle) -> Void
    private let advance: @convention(c) @Sendable (Handle) -> CInt
    private let kind: @convention(c) @Sendable (Handle) -> CInt
    private let isEmpty: @convention(c) @Sendable (Handle) -> CInt
    private let name: @convention(c) @Sendable (Handle) -> Text?
    private let namespace: @convention(c) @Sendable (Handle) -> Text?
    private let value: @convention(c) @Sendable (Handle) -> Text?
    private let nextAttribute: @convention(c) @Sendable (Handle) -> CInt

    static let shared: Result<XMLReader, XMLProblem> = Result { () throws(XMLProblem) in try XMLReader() }

    private init() throws(XMLProblem) {
        let found = Self.names.lazy.compactMap { dlopen($0, RTLD_NOW) }.first
        guard let library = found else { throw XMLProblem(message: "libxml2 is not installed") }
        open = try Self.find("xmlReaderForMemory", in: library)
        close = try Self.find("xmlFreeTextReader", in: library)
        advance = try Self.find("xmlTextReaderRead", in: library)
        kind = try Self.find("xmlTextReaderNodeType", in: library)
        isEmpty = try Self.find("xmlTextReaderIsEmptyElement", in: library)
        name = try Self.find("xmlTextReaderConstName", in: library)
        namespace = try Self.find("xmlTextReaderConstNamespaceUri", in: library)
        value = try Self.find("xmlTextReaderConstValue", in: library)
        nextAttribute = try Self.find("xmlTextReaderMoveToNextAttribute", in: library)
    }

    private static func find<Function>(
        _ name: String,
        in library: UnsafeMutableRawPointer
    ) throws(XMLProblem) -> Function {
        guard let symbol = dlsym(library, name) else { throw XMLProblem(message: "libxml2 has no \(name)") }
        return unsafeBitCast(symbol, to: Function.self)
    }

    /// `xmlReaderTypes`
    private enum Kind {
        static let element: CInt = 1
        static let text: CInt = 3
        static let characters: CInt = 4
        static let entity: CInt = 5
        static let documentType: CInt = 10
        static let blanks: CInt = 14
        static let end: CInt = 15
    }

    /// XML_PARSE_NOERROR, …_NOWARNING and …_NONET: nothing is printed, and nothing fetched.
    private static let options: CInt = 1 << 5 | 1 << 6 | 1 << 11

    /// - Throws: also for a document with a document type: nothing that is read here has one, and entities need one.
    func read(_ document: String) throws(XMLProblem) -> XMLElement {
        guard document.utf8.count <= Self.sizeLimit else { throw XMLProblem(message: "it is too large") }
        // The reader takes no copy: the bytes have to stay where they are until it is closed.
        return try document.utf8CString.withUnsafeBufferPointer { bytes throws(XMLProblem) in
            guard let text = bytes.baseAddress,
                let reader = open(text, CInt(bytes.count - 1), nil, "UTF-8", Self.options)
            else { throw XMLProblem(message: "there is no memory for it") }
            defer { close(reader) }
            return try read(from: reader)
        }
    }

    private func read(from reader: Handle) throws(XMLProblem) -> XMLElement {
        var parents: [XMLElement] = []
        while true {
            switch advance(reader) {
            case 1: break
            case 0: throw XMLProblem(message: "it ends too early")
            default: throw XMLProblem(message: "it is not well formed")
            }
            switch kind(reader) {
            case Kind.element:
                // Asked before its attributes are visited.
                let isWhole = isEmpty(reader) == 1
                let element = self.element(reader)
                guard !isWhole else {
                    if parents.isEmpty { return element }
                    parents[parents.count - 1].nodes.append(.element(element))
                    continue
                }
                parents.append(element)
            case Kind.end:
                guard let element = parents.popLast() else { throw XMLProblem(message: "it is not well formed") }
                guard !parents.isEmpty else {
                    try requireEnd(reader)
                    return element
                }
                parents[parents.count - 1].nodes.append(.element(element))
            case Kind.text, Kind.characters, Kind.blanks:
                guard !parents.isEmpty else { continue }
                parents[parents.count - 1].nodes.append(.text(string(value(reader))))
            case Kind.entity, Kind.documentType:
                throw XMLProblem(message: "it has a document type or entities")
            default: continue
            }
        }
    }

    private func requireEnd(_ reader: Handle) throws(XMLProblem) {
        var result: CInt
        repeat { result = advance(reader) } while result == 1
        guard result == 0 else { throw XMLProblem(message: "it is not well formed") }
    }

    private func element(_ reader: Handle) -> XMLElement {
        var element = XMLElement(string(name(reader)))
        element.namespace = namespace(reader).map { String(cString: $0) }
        while nextAttribute(reader) == 1 {
            element.attributes.append(.init(name: string(name(reader)), value: string(value(reader))))
        }
        return element
    }

    private func string(_ text: Text?) -> String { text.map { String(cString: $0) } ?? "" }
}

extension XMLElement {
    /// Reads a document that others have written.
    public init(parsing document: String) throws(XMLProblem) { self = try XMLReader.shared.get().read(document) }
}
