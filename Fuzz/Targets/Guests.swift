import ImageCore

@testable import ImageDrivers

extension FuzzTarget {
    /// What a guest has on its disk: a line that says which file, or `report` for what the child that looks prints,
    /// `boot` for a boot loader's configuration, `superblock` for one of md's or btrfs's, `ext2` for one of ext2's.
    static let guests = FuzzTarget(name: "guests") { input throws(BrokenPromise) in
        var lines = Lines(input)
        switch lines.next() {
        case "report":
            let inspection: GuestInspection
            do throws(ChildFailure) { inspection = try GuestInspector.inspection(lines.remainder) } catch {
                return try promiseShowable(error.text, atMost: 200, "the complaint")
            }
            try checkFindings(inspection.findings)
            if case .seen(let facts) = inspection { try checkFix(facts) }
        case "rules": try checkFix(guest(networkRules: .bytes(lines.remainder)))
        case "boot":
            let entries = BootEntry.entries(in: lines.remainder)
            try promise(entries.count <= BootEntry.countLimit, "\(entries.count) entries")
        case "superblock":
            if let member = ArrayMember(superblock: lines.remainder) {
                try promise((1...4096).contains(member.devices), "\(member.devices) devices")
                try promiseShowable(member.name, atMost: 128, "an array's name")
            }
            if let devices = ArrayMember.btrfsDevices(superblock: lines.remainder) {
                try promise((1...4096).contains(devices), "\(devices) devices")
            }
        case "ext2":
            if let superblock = try? Ext2Superblock(lines.remainder) {
                try promise(superblock.byteCount >= Int64(superblock.blockSize), "\(superblock.byteCount) bytes")
                try promise(superblock.groupCount >= 1, "\(superblock.groupCount) groups")
                _ = superblock.isEmptyJournal(lines.remainder)
            }
        case "file":
            let path = String(lines.next().prefix(200))
            var facts = guest()
            facts.systems[0].files[path] = .bytes(lines.remainder)
            if path.hasPrefix("/etc/systemd/system/") { facts.systems[0].unitLinks = [path] }
            try checkFix(facts)
        default: try checkFix(guest(fstab: .bytes(lines.remainder)))
        }
    }
}

private func guest(fstab: GuestFile = .absent, networkRules: GuestFile = .absent) -> GuestFacts {
    GuestFacts(
        volumes: [
            .init(device: "/dev/sda1", type: "ext4", uuid: "1111-2222", label: "root", partUUID: "3333"),
            .init(device: "/dev/vg-a/lv-b", type: "xfs", partLabel: "x"), .init(device: "/dev/md127"),
        ],
        systems: [.init(root: "/dev/sda1", fstab: fstab, networkRules: networkRules)]
    )
}

private func checkFindings(_ findings: [Finding]) throws(BrokenPromise) {
    try promise(findings.count <= 21, "\(findings.count) findings")
    let bytes = PlainText.sentenceLimit * 8 * 4
    for finding in findings {
        try promiseShowable(finding.message, atMost: 4 * bytes, "a finding")
        try promiseShowable(finding.text ?? "", atMost: bytes + 4, "a line")
        try promiseShowable(finding.file ?? "", atMost: 1024, "a file's name")
        try promise((finding.line ?? 1) >= 1, "line \(finding.line ?? 0)")
    }
    guard !findings.isEmpty else { return }
    let refusal = StepFailure.guest(findings, mayPass: false)
    try promiseShowable(refusal.message, atMost: 24 * bytes, "the reason")
}

/// What was fixed is not found again, and nothing else was touched.
private func checkFix(_ facts: GuestFacts) throws(BrokenPromise) {
    try checkFindings(facts.findings)
    for line in facts.guestFix.diff.split(separator: "\n") {
        try promiseShowable(String(line), atMost: 1024, "a line of the diff")
    }
    try promise(facts.guestFix.diff.count { $0 == "\n" } <= 64 * facts.edits.count, "a diff too long")
    var fixed = facts
    for edit in facts.edits {
        guard let index = fixed.systems.firstIndex(where: { $0.root == edit.root }) else {
            throw BrokenPromise("an edit of what is not there")
        }
        guard let bytes = edit.bytes else {
            fixed.systems[index].files[edit.path] = nil
            continue
        }
        if edit.path == GuestFacts.fstabPath, case .bytes(let old) = fixed.systems[index].fstab {
            try checkLines(old, bytes)
        }
        fixed.systems[index].files[edit.path] = .bytes(bytes)
    }
    // Two systems under one name are indistinguishable here.
    guard Set(facts.systems.map(\.root)).count == facts.systems.count else { return }
    let grown = fixed.systems.contains { system in
        system.files.values.contains { file in
            if case .bytes(let bytes) = file { bytes.count > GuestFile.sizeLimit } else { false }
        }
    }
    guard !grown else { return }
    let left = facts.guestFix.findings.filter { $0.severity == .warning }
    try promise(fixed.findings.filter { $0.severity == .warning }.count <= left.count, "\(fixed.findings)")
    try promise(fixed.edits.isEmpty, "repaired once more: \(fixed.edits)")
}

private func checkLines(_ old: [UInt8], _ new: [UInt8]) throws(BrokenPromise) {
    let (before, after) = (
        old.split(separator: 10, omittingEmptySubsequences: false),
        new.split(separator: 10, omittingEmptySubsequences: false)
    )
    try promise(before.count == after.count, "\(before.count) lines became \(after.count)")
    for (was, now) in zip(before, after) where was != now {
        let isInserted = [",nofail", " defaults,nofail"].contains { insertion in
            let added = Array(insertion.utf8)
            return now.count == was.count + added.count
                && (0...was.count).contains { Array(was.prefix($0)) + added + Array(was.dropFirst($0)) == Array(now) }
        }
        try promise(isInserted, "more than nofail was added to a line")
    }
}
