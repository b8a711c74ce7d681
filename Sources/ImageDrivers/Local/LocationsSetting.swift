public import ImageCore

/// Where replicas go, as people write it: `east=/srv/east,west`. A comma that belongs to a path is written `\,`, and a
/// backslash `\\`.
public enum LocationsSetting {
    /// Each location's folder. A name without a path is a folder below `home`.
    /// - Throws: what is wrong, in a sentence.
    public static func parse(_ text: String, below home: String) throws(Rejection) -> [LocationName: String] {
        var locations: [LocationName: String] = [:]
        for part in try parts(of: text) where !part.isEmpty {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let word = String(pair[0].drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
            guard let name = LocationName(word) else {
                throw malformed("'\(PlainText.word(word))' is no name; \(IdentifierRule.sentence)")
            }
            guard locations[name] == nil else { throw malformed("\(name) stands twice") }
            let path = pair.count == 2 ? pair[1] : "\(home)/\(name)"
            guard path.hasPrefix("/"), !path.utf8.contains(0) else {
                throw malformed("the path of \(name) must be absolute")
            }
            locations[name] = path
        }
        guard !locations.isEmpty else { throw malformed("no location is named") }
        return locations
    }

    /// The same locations as a text that ``parse(_:below:)`` reads, each with its path, in order.
    public static func text(of locations: [LocationName: String]) -> String {
        locations.sorted { $0.key < $1.key }
            .map { name, path in
                "\(name)=" + path.replacing("\\", with: "\\\\").replacing(",", with: "\\,")
            }
            .joined(separator: ",")
    }

    /// What stands between the commas, without the backslashes that keep others from ending a part.
    private static func parts(of text: String) throws(Rejection) -> [String] {
        var parts = [""]
        var rest = text.makeIterator()
        while let letter = rest.next() {
            switch letter {
            case ",": parts.append("")
            case "\\":
                guard let kept = rest.next(), kept == "," || kept == "\\" else {
                    throw malformed("a backslash stands before a comma or a backslash only")
                }
                parts[parts.count - 1].append(kept)
            default: parts[parts.count - 1].append(letter)
            }
        }
        return parts
    }

    private static func malformed(_ problem: String) -> Rejection {
        Rejection(.invalidArgument, problem, field: "locations")
    }
}
