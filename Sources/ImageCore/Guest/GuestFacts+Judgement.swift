/// What a guest's files mean for instances made from its image.
extension GuestFacts {
    public static let fstabPath = "/etc/fstab"
    public static let networkRulesPath = "/etc/udev/rules.d/70-persistent-net.rules"
    /// One by one; the rest is counted.
    static let findingLimit = 20
    /// File systems that people have their root on.
    private static let rootTypes: Set = ["ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "reiserfs"]

    /// What would keep a new instance from starting as its source does, in the order of files and lines; and what could
    /// not be looked at.
    public var findings: [Finding] {
        guard !systems.isEmpty else { return [.noSystem(unread)] }
        let own = SystemVolumes(volumes)
        var found: [Finding] = []
        for system in systems {
            found += Self.judged(system.fstab, name(Self.fstabPath, in: system)) { bytes, file in
                Self.guilty(Fstab(bytes), own).map { .fstab($0, bytes, file) }
            }
            found += Self.judged(system.networkRules, name(Self.networkRulesPath, in: system)) { bytes, file in
                Self.firstRule(in: bytes).map { [.networkRule($0.number, bytes[$0.range], file)] } ?? []
            }
        }
        // It may be the one that is booted. What has no file system, or is encrypted beside a system, hardly is.
        found += unread.filter { Self.rootTypes.contains($0.type) }.map { .unread($0) }
        guard found.count > Self.findingLimit else { return found }
        // What was not looked at must not be lost among what was found.
        let ordered = found.filter { $0.severity == .notChecked } + found.filter { $0.severity != .notChecked }
        let rest = found.count - Self.findingLimit
        return ordered.prefix(Self.findingLimit) + [.more(rest)]
    }

    /// With the file system in front where there are several systems.
    func name(_ path: String, in system: System) -> String {
        systems.count == 1 ? path : "\(PlainText.word(system.root)):\(path)"
    }

    private static func judged(
        _ file: GuestFile,
        _ name: String,
        _ judge: (_ bytes: [UInt8], _ name: String) -> [Finding]
    ) -> [Finding] {
        switch file {
        case .absent: []
        case .unread(let reason): [.unread(name, reason)]
        case .bytes(let bytes) where bytes.count > GuestFile.sizeLimit:
            [.unread(name, "it is larger than \(GuestFile.sizeLimit >> 10) KiB")]
        case .bytes(let bytes): judge(bytes, name)
        }
    }

    static func guilty(_ fstab: Fstab, _ own: SystemVolumes) -> [FstabLine] {
        // What holds the root is found by the boot loader and the kernel, whatever stands here.
        fstab.mounts.filter { $0.isRequired && $0.isOfDisk && $0.target != "/" && !own.hold($0) }
    }

    /// A file of nothing but comments binds nothing.
    static func firstRule(in bytes: [UInt8]) -> (number: Int, range: Range<Int>)? {
        let blanks = [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r")]
        for (index, range) in Fstab.lines(of: bytes).enumerated() {
            guard let first = bytes[range].first(where: { !blanks.contains($0) }) else { continue }
            if first != UInt8(ascii: "#") { return (index + 1, range) }
        }
        return nil
    }
}

extension GuestFacts.Unread {
    fileprivate var words: String {
        "\(PlainText.word(root)), \(PlainText.word(type)): \(PlainText.sentence(reason))"
    }
}

extension Finding {
    static func fstab(_ line: FstabLine, _ bytes: [UInt8], _ file: String) -> Finding {
        let source = PlainText.word(line.source)
        let what = line.isSwap ? "swaps to \(source)" : "mounts \(source) at \(PlainText.word(line.target))"
        let outcome = line.isSwap ? "waits for it when it starts" : "does not start without it"
        return Finding(
            .warning,
            "\(file) line \(line.number) \(what), which is not on the system disk: a new instance \(outcome)",
            code: line.isSwap ? .fstabSwap : .fstabMount,
            file: file,
            line: line.number,
            text: Secrets.masked(PlainText.sentence(Array(bytes[line.range]))),
            advice: "add nofail to the line's options or delete it, or ask for the image with guestChecks fix"
        )
    }

    static func networkRule(_ number: Int, _ rule: ArraySlice<UInt8>, _ file: String) -> Finding {
        Finding(
            .warning,
            "\(file) line \(number) binds a network interface's name to one MAC address: "
                + "a new instance has another, and may come up without network",
            code: .persistentNet,
            file: file,
            line: number,
            text: PlainText.sentence(Array(rule)),
            advice: "delete the file, or ask for the image with guestChecks fix"
        )
    }

    static func unread(_ file: String, _ reason: String) -> Finding {
        Finding(
            .notChecked,
            "\(file) was not checked: \(PlainText.sentence(reason))",
            code: .notChecked,
            file: file,
            advice: "look at it yourself"
        )
    }

    static func unread(_ unread: GuestFacts.Unread) -> Finding {
        Finding(
            .notChecked,
            "a file system was not checked, \(unread.words)",
            code: .notChecked,
            advice: "repair it, or look at its /etc/fstab yourself"
        )
    }

    static func noSystem(_ unread: [GuestFacts.Unread]) -> Finding {
        let reasons = unread.isEmpty ? "" : " (\(unread.prefix(3).map(\.words).joined(separator: "; ")))"
        return Finding(
            .notChecked,
            "the guest was not checked: no file system with a Linux on it was found on the system disk\(reasons)",
            code: .notChecked,
            advice: "look at its /etc/fstab yourself; encrypted disks and other systems cannot be looked into"
        )
    }

    static func more(_ count: Int) -> Finding {
        Finding(.warning, "\(count) more of the same were found", code: .more)
    }
}
