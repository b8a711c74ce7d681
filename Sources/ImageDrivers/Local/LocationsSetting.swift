public import ImageCore

/// The folder of a location, or what stands in its place in a cloud.
public struct LocationFolder: Equatable, Sendable {
    /// Absolute, unless it is a word of a driver that has no folders.
    public var path: String
    /// The host whose folder it is; `nil` for one that is mounted on every host.
    public var host: HostName?
    /// The driver that replicates to it; `nil`: the first.
    public var driver: DriverName?

    public init(_ path: String, on host: HostName? = nil, of driver: DriverName? = nil) {
        (self.path, self.host, self.driver) = (path, host, driver)
    }

    /// Whether a worker, on that host or on none, has it among its own files.
    public func isReached(from host: HostName?) -> Bool { self.host == nil || self.host == host }

    fileprivate func isSame(as other: Self) -> Bool {
        path.hasPrefix("/") && parts == other.parts && (host == other.host || host == nil || other.host == nil)
    }

    private var parts: [Substring] { path.split(separator: "/").filter { $0 != "." } }
}

/// Where replicas go, as people write it: `east=/srv/east,west`, `west@h2=/srv/west` for a folder of one host, and
/// `lab/west=/srv/west` for one of a driver. A comma that belongs to a path is written `\,`, and a backslash `\\`.
public enum LocationsSetting {
    /// Each location's folder. A name without a path is a folder below `home`.
    /// - Throws: what is wrong, in a sentence.
    public static func parse(_ text: String, below home: String) throws(Rejection) -> [LocationName: LocationFolder] {
        try parse(text, belowHomeOf: { $0 == nil ? home : nil })
    }

    /// - Parameters:
    ///   - home: of each driver; `nil` when there is no such driver.
    ///   - isWord: whether a driver knows what stands in the place of a path.
    package static func parse(
        _ text: String,
        belowHomeOf home: (DriverName?) -> String?,
        isWord: (DriverName?, String) -> Bool = { _, _ in false }
    ) throws(Rejection) -> [LocationName: LocationFolder] {
        var locations: [LocationName: LocationFolder] = [:]
        for part in try parts(of: text) where !part.isEmpty {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let (name, host, driver) = try place(pair[0])
            guard locations[name] == nil else { throw malformed("\(name) stands twice") }
            guard let home = home(driver) else {
                throw malformed("\(driver?.text ?? ""), the driver of \(name), is not among the drivers")
            }
            let path = pair.count == 2 ? pair[1] : "\(home)/\(name)"
            guard path.hasPrefix("/") || isWord(driver, path), !path.utf8.contains(0) else {
                throw malformed("the path of \(name) must be absolute")
            }
            let folder = LocationFolder(path, on: host, of: driver)
            // A replica of one would be an orphan of the other.
            if let other = locations.filter({ $0.value.isSame(as: folder) }).keys.min() {
                throw malformed("\(other) and \(name) are the same folder")
            }
            locations[name] = folder
        }
        guard !locations.isEmpty else { throw malformed("no location is named") }
        return locations
    }

    /// `west`, `west@h2`, `lab/west` or `lab/west@h2`.
    private static func place(_ text: String) throws(Rejection) -> (LocationName, HostName?, DriverName?) {
        var word = String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
        var driver: DriverName?
        if let slash = word.firstIndex(of: "/") {
            let prefix = String(word[..<slash])
            word = String(word[word.index(after: slash)...])
            driver = DriverName(prefix)
            guard driver != nil else {
                throw malformed(
                    "'\(PlainText.word(prefix))', the driver of \(PlainText.word(word)), is no name of one; "
                        + DriverName.sentence
                )
            }
        }
        let parts = word.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let name = LocationName(parts[0]) else {
            throw malformed("'\(PlainText.word(parts[0]))' is no name; \(IdentifierRule.sentence)")
        }
        guard parts.count == 2 else { return (name, nil, driver) }
        guard let host = HostName(parts[1]) else {
            throw malformed(
                "'\(PlainText.word(parts[1]))', the host of \(name), is no name of one; \(HostName.sentence)"
            )
        }
        return (name, host, driver)
    }

    /// The same locations as a text that ``parse(_:below:)`` reads, each with its path, in order.
    public static func text(of locations: [LocationName: LocationFolder]) -> String {
        locations.sorted { $0.key < $1.key }
            .map { name, folder in
                (folder.driver.map { "\($0)/" } ?? "") + name.text + (folder.host.map { "@\($0)" } ?? "") + "="
                    + folder.path.replacing("\\", with: "\\\\").replacing(",", with: "\\,")
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
