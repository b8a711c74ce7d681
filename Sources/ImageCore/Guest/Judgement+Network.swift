/// What is for one network card only: a new instance has another.
extension Judgement {
    func judgedNetwork(_ system: GuestFacts.System) -> [Judged] {
        var found: [Judged] = []
        for (path, bytes) in system.files(below: "/etc/NetworkManager/system-connections/") {
            found += profile(path, bytes, system)
        }
        for (path, bytes) in system.files(below: "/etc/netplan/") { found += netplan(path, bytes, system) }
        for (path, bytes) in system.files(below: "/etc/sysconfig/network-scripts/") {
            found += interface(path, bytes, system)
        }
        for (path, bytes) in system.files(below: "/etc/systemd/network/") { found += networkd(path, bytes, system) }
        for (path, bytes) in system.files(below: GuestFacts.rulesFolder) { found += rules(path, bytes, system) }
        return found
    }

    private func rules(_ path: String, _ bytes: [UInt8], _ system: GuestFacts.System) -> [Judged] {
        let file = name(path, in: system)
        let rules = UdevRules(bytes).rules
        let bound = rules.filter(\.bindsNetwork)
        var found: [Judged] = []
        if let first = bound.first {
            let finding = Finding.networkName(first.number, bytes[first.first], file)
            let repair = Repair.removal(path, bytes, bound.map { ($0.number, $0.lines) })
            found.append(Judged(finding: finding, repair: repair))
        }
        if let first = rules.first(where: \.excludesOtherCards) {
            var finding = Finding.networkName(first.number, bytes[first.first], file)
            finding.leave("what follows the rule is for one card, too")
            found.append(Judged(finding: finding))
        }
        return found
    }

    private func networkd(_ path: String, _ bytes: [UInt8], _ system: GuestFacts.System) -> [Judged] {
        let unit = ConfigurationFile(bytes, continues: true)
        let words = ["MACAddress", "PermanentMACAddress"].flatMap { unit.words("Match", $0) }
        guard words.allSatisfy({ MACAddress.isOfOneCard($0.word) }),
            let first = words.map(\.entry).min(by: { $0.number < $1.number })
        else { return [] }
        let file = name(path, in: system)
        var finding =
            path.hasSuffix(".link")
            ? Finding.networkName(first.number, bytes[first.first], file)
            : Finding.network(first.number, bytes[first.first], file)
        // Without a match on its address the file would be for every card, or for none.
        let others = ["OriginalName", "Name", "Path", "Driver", "Property", "SSID"]
        guard unit.entries.contains(where: { $0.section == "Match" && others.contains($0.key) && !$0.value.isEmpty })
        else {
            finding.leave("which card of a new instance it is for cannot be seen")
            return [Judged(finding: finding)]
        }
        let repair = Repair.removal(path, bytes, words.map { ($0.entry.number, $0.entry.lines) })
        return [Judged(finding: finding, repair: repair)]
    }

    private func profile(_ path: String, _ bytes: [UInt8], _ system: GuestFacts.System) -> [Judged] {
        guard !path.hasSuffix("~"), path.split(separator: "/").last?.hasPrefix(".") == false else { return [] }
        let profile = ConfigurationFile(bytes, continues: false)
        let isManual = ["false", "no", "0"].contains(profile.value("connection", "autoconnect")?.lowercased() ?? "")
        let found = profile.entries.filter {
            $0.key == "mac-address" && $0.section != "connection" && MACAddress.isOfOneCard($0.value)
        }
        guard !isManual, let first = found.first else { return [] }
        var finding = Finding.network(first.number, bytes[first.first], name(path, in: system))
        let isNamed = profile.value("connection", "interface-name")?.isEmpty == false
        let isAlone = system.files(below: "/etc/NetworkManager/system-connections/").count == 1
        guard isNamed || isAlone else {
            finding.leave("which card of a new instance it is for cannot be seen")
            return [Judged(finding: finding)]
        }
        let repair = Repair.removal(path, bytes, found.map { ($0.number, $0.lines) })
        return [Judged(finding: finding, repair: repair)]
    }

    private func interface(_ path: String, _ bytes: [UInt8], _ system: GuestFacts.System) -> [Judged] {
        // As the scripts that read them have it, and editors and rpm name what they put aside.
        let aside = ["~", ".bak", ".orig", ".old", ".rpmnew", ".rpmsave", ".rpmorig"]
        guard !aside.contains(where: path.hasSuffix) else { return [] }
        let file = ConfigurationFile(bytes, continues: false)
        func value(_ key: String) -> String {
            (file.value("", key) ?? "").filter { !"\"'".contains($0) }
        }
        let found = file.entries.filter { $0.key == "HWADDR" }
        guard let first = found.last, MACAddress.isOfOneCard(value("HWADDR")), value("ONBOOT").lowercased() != "no"
        else {
            return []
        }
        var finding = Finding.network(first.number, bytes[first.first], name(path, in: system))
        guard !value("DEVICE").isEmpty else {
            finding.leave("which card of a new instance it is for cannot be seen")
            return [Judged(finding: finding)]
        }
        let repair = Repair.removal(path, bytes, found.map { ($0.number, $0.lines) })
        return [Judged(finding: finding, repair: repair)]
    }

    private func netplan(_ path: String, _ bytes: [UInt8], _ system: GuestFacts.System) -> [Judged] {
        let netplan = Netplan(bytes)
        let file = name(path, in: system)
        let unclear = Judged(finding: .unread(file, "what it says of MAC addresses is not understood"))
        return (netplan.isUnclear ? [unclear] : [])
            + netplan.matches.map { match in
                var finding = Finding.network(match.number, bytes[match.line], file)
                guard match.canGo else {
                    finding.leave(
                        "which card of a new instance it is for cannot be seen; cloud-init, where it is on, writes the file anew"
                    )
                    return Judged(finding: finding)
                }
                return Judged(finding: finding, repair: .removal(path, bytes, [(match.number, match.line)]))
            }
    }
}

extension Finding {
    static func networkName(_ number: Int, _ line: ArraySlice<UInt8>, _ file: String) -> Finding {
        Finding(
            .warning,
            "\(file) line \(number) binds a network interface's name to one MAC address: "
                + "a new instance has another, and may come up without network",
            code: .persistentNet,
            file: file,
            line: number,
            text: PlainText.sentence(Array(line)),
            advice: "delete the rule, or ask for the image with guestChecks fix"
        )
    }

    static func network(_ number: Int, _ line: ArraySlice<UInt8>, _ file: String) -> Finding {
        Finding(
            .warning,
            "\(file) line \(number) configures the network for one MAC address only: "
                + "a new instance has another, and may come up without network",
            code: .networkMAC,
            file: file,
            line: number,
            text: Secrets.masked(PlainText.sentence(Array(line))),
            advice: "name the interface instead of its address, or ask for the image with guestChecks fix"
        )
    }
}
