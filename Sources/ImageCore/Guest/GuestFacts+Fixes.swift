/// How a captured copy is repaired.
extension GuestFacts {
    /// A file of the copy to rewrite or delete.
    public struct Edit: Equatable, Sendable {
        /// The volume to mount for it.
        public var root: String
        public var path: String
        /// `nil`: delete it.
        public var bytes: [UInt8]?
    }

    /// What has to be changed so that what is said to be fixed is not found again.
    ///
    /// A line that may fail gets `nofail` and stays: an instance that does have the disk mounts it as ever, and one
    /// that has not starts without it. Rules for one network card go, the rest of their file stays.
    public var edits: [Edit] {
        Self.repairs(Judgement(self)).map { Edit(root: $0.system.root, path: $0.file.path, bytes: $0.file.bytes) }
    }

    /// What `edits` change, for people; and what they leave.
    public var guestFix: GuestFix {
        let judgement = Judgement(self)
        let found = judgement.all.map { judged in
            var finding = judged.finding
            guard judged.repair != nil, finding.severity == .warning else { return finding }
            finding.severity = .fixed
            finding.advice = nil
            return finding
        }
        let diffs = Self.repairs(judgement).map { $0.file.diff(judgement.name($0.file.path, in: $0.system)) }
        return GuestFix(findings: Self.limited(found), diff: diffs.joined())
    }

    private static func repairs(_ judgement: Judgement) -> [(system: System, file: FileRepair)] {
        let repairs = Dictionary(grouping: judgement.all.filter { $0.repair != nil }, by: \.root)
        return judgement.booted.flatMap { system in
            var files: [(system: System, file: FileRepair)] = []
            var places: [String: Int] = [:]
            for repair in (repairs[system.root] ?? []).compactMap(\.repair) {
                guard let bytes = system.bytes(repair.path) else { continue }
                let place = places[repair.path] ?? files.count
                if place == files.count { files.append((system, FileRepair(repair.path, bytes))) }
                places[repair.path] = place
                files[place].file.add(repair)
            }
            return files
        }
    }
}
