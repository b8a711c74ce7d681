/// How a captured copy is mended.
extension GuestFacts {
    /// A file of the copy to be written anew, or to be deleted.
    public struct Edit: Equatable, Sendable {
        /// What is to be mounted for it.
        public var root: String
        public var path: String
        /// `nil`: delete it.
        public var bytes: [UInt8]?
    }

    /// What has to be changed so that nothing of it is found again.
    ///
    /// Guilty lines get `nofail` and stay: an instance that does have the disk mounts it as ever, and one that has not
    /// starts without it. The network rules go: whatever wrote them writes new ones.
    public var edits: [Edit] { changes.map(\.edit) }

    /// What `edits` change, for people.
    public var mending: GuestMending {
        let found = findings.filter { $0.severity == .warning && ($0.file != nil || $0.code == .more) }
        return GuestMending(
            findings: found.map { finding in
                var finding = finding
                finding.severity = .fixed
                finding.advice = nil
                return finding
            },
            diff: changes.map(\.diff).joined()
        )
    }

    private struct Change {
        var edit: Edit
        var diff: String
    }

    private var changes: [Change] {
        let own = SystemVolumes(volumes)
        var changes: [Change] = []
        for system in systems {
            if case .bytes(let bytes) = system.fstab, bytes.count <= GuestFile.sizeLimit {
                let fstab = Fstab(bytes)
                let guilty = Self.guilty(fstab, own)
                if !guilty.isEmpty {
                    let mended = fstab.forgiving(guilty)
                    let diff = FileDiff(name(Self.fstabPath, in: system), from: bytes, to: mended)
                    changes.append(
                        Change(
                            edit: Edit(root: system.root, path: Self.fstabPath, bytes: mended),
                            diff: diff.text
                        )
                    )
                }
            }
            if case .bytes(let bytes) = system.networkRules, bytes.count <= GuestFile.sizeLimit,
                Self.firstRule(in: bytes) != nil
            {
                let diff = FileDiff(name(Self.networkRulesPath, in: system), from: bytes, to: nil)
                changes.append(
                    Change(edit: Edit(root: system.root, path: Self.networkRulesPath, bytes: nil), diff: diff.text)
                )
            }
        }
        return changes
    }
}

extension Fstab {
    /// The same file with `nofail` among these lines' options; every other byte stays.
    func forgiving(_ guilty: [FstabLine]) -> [UInt8] {
        var mended: [UInt8] = []
        mended.reserveCapacity(bytes.count + guilty.count * 16)
        var copied = 0
        for line in guilty {
            mended += bytes[copied..<line.insertion.at]
            mended += Array((line.insertion.prefix + "nofail").utf8)
            copied = line.insertion.at
        }
        return mended + bytes[copied...]
    }
}

/// A unified diff, for people and not for `patch`: what cannot be shown is replaced, and what is long is cut.
struct FileDiff {
    static let lineLimit = 60
    /// In Unicode scalars.
    static let widthLimit = 160
    private static let context = 3

    let text: String

    /// - Parameter new: has as many lines as `old`; `nil` when the file is deleted.
    init(_ name: String, from old: [UInt8], to new: [UInt8]?) {
        let before = Fstab.lines(of: old)
        var lines: [String] = []
        if let new {
            let after = Fstab.lines(of: new)
            let changed = before.indices.filter { after.indices.contains($0) && old[before[$0]] != new[after[$0]] }
            for group in Self.groups(of: changed, count: before.count) {
                lines.append("@@ -\(group.lowerBound + 1),\(group.count) +\(group.lowerBound + 1),\(group.count) @@")
                for index in group {
                    let was = Self.shown(old[before[index]])
                    guard old[before[index]] != new[after[index]] else {
                        lines.append(" " + was)
                        continue
                    }
                    lines += ["-" + was, "+" + Self.shown(new[after[index]])]
                }
            }
        } else {
            lines.append("@@ -1,\(before.count) +0,0 @@")
            lines += before.map { "-" + Self.shown(old[$0]) }
        }
        let cut = lines.count > Self.lineLimit ? ["… \(lines.count - Self.lineLimit) more lines"] : []
        let all = ["--- \(name)", "+++ \(new == nil ? "/dev/null" : name)"] + lines.prefix(Self.lineLimit) + cut
        text = all.map { $0 + "\n" }.joined()
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
