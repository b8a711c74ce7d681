/// `/etc/crypttab`: what a start of the guest decrypts, and under which name.
struct Crypttab {
    struct Line {
        /// From 1.
        var number: Int
        var range: Range<Int>
        /// Below `/dev/mapper`.
        var name: String
        var source: String
        /// A file, or `none`.
        var key: String
        var options: [String]
        /// Where a further option goes, and what must stand before it there.
        var insertion: (at: Int, prefix: String)
    }

    let lines: [Line]

    init(_ bytes: [UInt8]) {
        lines = Fstab.lines(of: bytes).enumerated().compactMap { index, range in
            let fields = Fstab.fields(of: bytes, in: range, limit: 4)
            guard fields.count >= 2, bytes[fields[0].lowerBound] != UInt8(ascii: "#") else { return nil }
            let texts = fields.map { String(decoding: bytes[$0], as: UTF8.self) }
            let options = texts.count == 4 ? texts[3] : ""
            let prefix = ["", "", " none ", " ", ","][fields.count]
            return Line(
                number: index + 1,
                range: range,
                name: texts[0],
                source: texts[1],
                key: texts.count > 2 ? texts[2] : "none",
                options: options.split(separator: ",").map(String.init),
                insertion: (fields[fields.count - 1].upperBound, prefix)
            )
        }
    }
}

extension Crypttab.Line {
    /// Whether a start of the guest waits for it.
    var isRequired: Bool { !options.contains { ["nofail", "noauto", "_netdev"].contains($0) } }

    /// The devices that it takes: what is decrypted, and where its key and its header lie.
    var devices: [String] {
        let headers = options.filter { $0.hasPrefix("header=") }.map { String($0.dropFirst("header=".count)) }
        return [source]
            + ([key] + headers).compactMap { path in
                // A file's path, a colon, and the device on which the file is.
                if let colon = path.lastIndex(of: ":"), path.hasPrefix("/") {
                    return String(path[path.index(after: colon)...])
                }
                return path
            }.filter { MountSource.isDisk($0) && !$0.hasSuffix("random") }
    }
}
