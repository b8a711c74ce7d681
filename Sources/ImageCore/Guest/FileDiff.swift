/// A unified diff, for people and not for `patch`: what cannot be shown is replaced, and what is long is cut.
enum FileDiff {
    static let lineLimit = 60
    /// In Unicode scalars.
    static let widthLimit = 160
    private static let context = 3

    static func deletion(_ name: String, _ old: [UInt8]) -> String {
        let lines = Fstab.lines(of: old)
        let shown = lines.prefix(lineLimit).map { "-" + self.shown(old[$0]) }
        return text(name, "/dev/null", ["@@ -1,\(lines.count) +0,0 @@"] + shown, of: lines.count + 1)
    }

    /// - Parameter changed: what lines become, by their index; `nil` for those that go.
    static func changes(_ name: String, _ old: [UInt8], _ lines: [Range<Int>], _ changed: [Int: [UInt8]?]) -> String {
        var shown: [String] = []
        var gone = 0
        for group in groups(of: changed.keys.sorted(), count: lines.count) {
            let removed = group.count { changed[$0] == .some(.none) }
            let start = group.lowerBound + 1
            shown.append("@@ -\(start),\(group.count) +\(start - gone),\(group.count - removed) @@")
            gone += removed
            for index in group {
                let was = self.shown(old[lines[index]])
                switch changed[index] {
                case .none: shown.append(" " + was)
                case .some(.none): shown.append("-" + was)
                case .some(.some(let line)): shown += ["-" + was, "+" + self.shown(line[...])]
                }
            }
        }
        return text(name, name, shown, of: shown.count)
    }

    private static func text(_ old: String, _ new: String, _ lines: [String], of count: Int) -> String {
        let cut = count > lineLimit ? ["… \(count - lineLimit) more lines"] : []
        let all = ["--- \(old)", "+++ \(new)"] + lines.prefix(lineLimit) + cut
        return all.map { $0 + "\n" }.joined()
    }

    /// The changed lines with those around them; groups that touch are one.
    private static func groups(of changed: [Int], count: Int) -> [Range<Int>] {
        var groups: [Range<Int>] = []
        for index in changed {
            let around = max(0, index - context)..<min(count, index + context + 1)
            if let last = groups.last, around.lowerBound <= last.upperBound {
                groups[groups.count - 1] = last.lowerBound..<around.upperBound
            } else {
                groups.append(around)
            }
        }
        return groups
    }

    static func shown(_ line: ArraySlice<UInt8>) -> String {
        // Four bytes a scalar at most: a line of a megabyte is not decoded for the sake of its beginning.
        let text = Secrets.masked(String(decoding: line.prefix(widthLimit * 4 + 4), as: UTF8.self))
        var shown = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(widthLimit) {
            shown.append(scalar.isVisible ? scalar : scalar == "\t" ? " " : "\u{FFFD}")
        }
        return String(shown) + (text.unicodeScalars.count > widthLimit ? "…" : "")
    }
}
