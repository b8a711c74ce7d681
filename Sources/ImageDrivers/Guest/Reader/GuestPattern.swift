import Glibc

/// A pattern of paths with stars and braces, read as glob(3) does with `GLOB_BRACE`.
enum GuestPattern {
    /// Without its braces: each alternative, in their order.
    static func alternatives(_ pattern: String) -> [String] {
        let bytes = Array(pattern)
        guard let open = bytes.firstIndex(of: "{") else { return [pattern] }
        var depth = 0
        var pieces: [String] = [""]
        for index in (open + 1)..<bytes.count {
            switch bytes[index] {
            case "}" where depth == 0:
                let (before, after) = (String(bytes[..<open]), String(bytes[(index + 1)...]))
                return pieces.flatMap { alternatives(before + $0 + after) }
            case "," where depth == 0: pieces.append("")
            case let letter:
                if letter == "{" { depth += 1 }
                if letter == "}" { depth -= 1 }
                pieces[pieces.count - 1].append(letter)
            }
        }
        return [pattern]
    }

    /// - Parameter names: those in a folder.
    /// - Returns: what is there, in glob(3)'s order.
    static func paths<Failure: Error>(
        _ pattern: String,
        exists: (String) throws(Failure) -> Bool,
        names: (String) throws(Failure) -> [String]
    ) throws(Failure) -> [String] {
        var found: [String] = []
        for alternative in alternatives(pattern) {
            var bases = [""]
            var isCertain = false
            for part in alternative.split(separator: "/").map(String.init) {
                isCertain = part.contains("*")
                guard isCertain else {
                    bases = bases.map { "\($0)/\(part)" }
                    continue
                }
                var next: [String] = []
                for base in bases {
                    for name in try names(base) where fnmatch(part, name, FNM_PERIOD) == 0 {
                        next.append("\(base)/\(name)")
                    }
                }
                bases = next
            }
            if !isCertain {
                var there: [String] = []
                for base in bases where try exists(base) { there.append(base) }
                bases = there
            }
            found += bases.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        }
        return found
    }
}
