extension Finding {
    private static let fixAdvice = "or ask for the image with guestChecks fix"

    static func fstab(_ line: FstabLine, _ item: StartItem, _ why: String, _ bytes: [UInt8], _ file: String) -> Finding
    {
        let source = PlainText.word(line.source)
        let target = PlainText.word(line.target)
        let what =
            item.isSwap
            ? "swaps to \(source)"
            : item.isAutomount ? "sets up an automount at \(target)" : "mounts \(source) at \(target)"
        let outcome = item.isSwap || item.want == .awaited ? "waits for it when it starts" : "does not start without it"
        return Finding(
            .warning,
            "\(file) line \(line.number) \(what), which \(why): a new instance \(outcome)",
            code: item.isSwap ? .fstabSwap : .fstabMount,
            file: file,
            line: line.number,
            text: Secrets.masked(PlainText.sentence(Array(bytes[line.range]))),
            advice: "add nofail to the line's options or delete it, \(fixAdvice)"
        )
    }

    static func crypttab(_ line: Crypttab.Line, _ why: String, _ bytes: [UInt8], _ file: String) -> Finding {
        let (source, name) = (PlainText.word(line.source), PlainText.word(line.name))
        return Finding(
            .warning,
            "\(file) line \(line.number) decrypts \(source) as \(name), which \(why): "
                + "a new instance waits for it when it starts",
            code: .crypttab,
            file: file,
            line: line.number,
            text: Secrets.masked(PlainText.sentence(Array(bytes[line.range]))),
            advice: "add nofail to the line's options or delete it, \(fixAdvice)"
        )
    }

    static func unit(_ item: StartItem, _ source: String, _ why: String, _ file: String) -> Finding {
        let target = PlainText.word(item.target ?? "")
        let what =
            item.isSwap
            ? "swaps to \(PlainText.word(source))"
            : item.isAutomount ? "sets up an automount at \(target)" : "mounts \(PlainText.word(source)) at \(target)"
        let outcome = item.want == .awaited ? "waits for it when it starts" : "does not start without it"
        var finding = Finding(
            .warning,
            "\(file) \(what), which \(why): a new instance \(outcome)",
            code: .mountUnit,
            file: file,
            advice: "disable the unit, or mount it by a line of /etc/fstab with nofail"
        )
        finding.leave("what else needs a unit cannot be seen")
        return finding
    }

    static func unknown(
        _ file: String,
        _ line: Int?,
        _ source: String,
        _ why: String,
        _ text: ArraySlice<UInt8>
    ) -> Finding {
        Finding(
            .notChecked,
            "\(file)\(line.map { " line \($0)" } ?? "") was not checked: \(source) \(why)",
            code: .notChecked,
            file: file,
            line: line,
            text: text.isEmpty ? nil : Secrets.masked(PlainText.sentence(Array(text))),
            advice: "name it by a UUID that is on the system disk, or add nofail to the line's options"
        )
    }

    static func lvmDevice(_ number: Int, _ line: ArraySlice<UInt8>, _ file: String) -> Finding {
        Finding(
            .warning,
            "\(file) line \(number) knows a disk of the system's volume group by its serial number: a new instance's "
                + "has another, and LVM may not activate the group",
            code: .lvmDevices,
            file: file,
            line: number,
            text: PlainText.sentence(Array(line)),
            advice: "delete the file (LVM looks at all disks then), \(fixAdvice)"
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

    /// - Parameter missing: volumes of which only the name is there.
    static func noSystem(_ unread: [GuestFacts.Unread], _ missing: [GuestVolume]) -> Finding {
        let told =
            unread.map(\.words)
            + missing.map { "\(PlainText.word($0.device)) lies, wholly or in part, on another disk" }
        let reasons = told.isEmpty ? "" : " (\(told.prefix(3).joined(separator: "; ")))"
        return Finding(
            .notChecked,
            "the guest was not checked: no file system with a Linux on it was found on the system disk\(reasons)",
            code: .notChecked,
            advice: "look at its /etc/fstab yourself; encrypted disks and other systems cannot be looked into"
        )
    }

    static func more(_ count: Int, _ severity: Severity) -> Finding {
        Finding(severity, "\(count) more of the same were found", code: .more)
    }

    /// Says that a fix does nothing about it, and why.
    mutating func leave(_ why: String) {
        let own = advice?.replacing(", \(Self.fixAdvice)", with: "")
        advice = (own.map { $0 + "; " } ?? "") + "guestChecks fix leaves it as it is: \(why)"
    }
}

extension GuestFacts.Unread {
    fileprivate var words: String {
        "\(PlainText.word(root)), \(PlainText.word(type)): \(PlainText.sentence(reason))"
    }
}
