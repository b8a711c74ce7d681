/// What a start of a system waits for.
extension Judgement {
    /// Without these no system starts, whatever is said of them.
    private static let essential: Set = ["/usr", "/etc", "/bin", "/sbin", "/lib", "/lib64"]

    func judgedStart(_ system: GuestFacts.System, _ own: SystemVolumes) -> [Judged] {
        var items: [StartItem] = []
        var lines: [Int: FstabLine] = [:]
        let fstab = system.bytes(GuestFacts.fstabPath) ?? []
        for line in Fstab(fstab).mounts {
            lines[line.number] = line
            items += StartItem.items(of: line)
        }
        let crypttab = system.bytes(GuestFacts.crypttabPath) ?? []
        var encrypted: [Int: Crypttab.Line] = [:]
        for line in Crypttab(crypttab).lines {
            encrypted[line.number] = line
            items.append(StartItem.item(of: line))
        }
        let units = units(of: system)
        items += units.map(\.item)
        let forecast = StartForecast(items, own)
        var found: [Judged] = []
        for (item, outcome) in zip(forecast.items, forecast.outcomes)
        where item.want != .optional && outcome != .works {
            switch item.origin {
            case .fstab(let number):
                guard let line = lines[number] else { continue }
                let file = name(GuestFacts.fstabPath, in: system)
                found.append(judged(line, item, forecast.why(outcome), fstab, file))
            case .crypttab(let number):
                guard let line = encrypted[number] else { continue }
                let file = name(GuestFacts.crypttabPath, in: system)
                found.append(judged(line, forecast.why(outcome), crypttab, file))
            case .unit(let path): found.append(judged(item, forecast.why(outcome), name(path, in: system)))
            }
        }
        return found
    }

    private func judged(
        _ line: FstabLine,
        _ item: StartItem,
        _ why: StartForecast.Reason,
        _ bytes: [UInt8],
        _ file: String
    ) -> Judged {
        switch why {
        case .unknown(let why):
            return Judged(finding: .unknown(file, line.number, PlainText.word(line.source), why, bytes[line.range]))
        case .known(let why):
            var finding = Finding.fstab(line, item, why, bytes, file)
            if !line.values(of: "x-systemd.required-by").isEmpty {
                finding.leave("other units require it by x-systemd.required-by")
                return Judged(finding: finding)
            }
            if let target = item.target, Self.essential.contains(target) {
                finding.leave("no system starts without \(target)")
                return Judged(finding: finding)
            }
            let (at, prefix) = line.insertion
            let path = GuestFacts.fstabPath
            return Judged(
                finding: finding,
                repair: .insertion(path, bytes, line: line.number, line.range, at: at, prefix + "nofail")
            )
        }
    }

    private func judged(
        _ line: Crypttab.Line,
        _ why: StartForecast.Reason,
        _ bytes: [UInt8],
        _ file: String
    ) -> Judged {
        switch why {
        case .unknown(let why):
            return Judged(finding: .unknown(file, line.number, PlainText.word(line.source), why, bytes[line.range]))
        case .known(let why):
            let (at, prefix) = line.insertion
            let path = GuestFacts.crypttabPath
            return Judged(
                finding: .crypttab(line, why, bytes, file),
                repair: .insertion(path, bytes, line: line.number, line.range, at: at, prefix + "nofail")
            )
        }
    }

    private func judged(_ item: StartItem, _ why: StartForecast.Reason, _ file: String) -> Judged {
        let source = item.devices.first ?? item.paths.first ?? ""
        switch why {
        case .unknown(let why): return Judged(finding: .unknown(file, nil, PlainText.word(source), why, []))
        case .known(let why): return Judged(finding: .unit(item, source, why, file))
        }
    }

    private func units(of system: GuestFacts.System) -> [(path: String, item: StartItem)] {
        let links = Dictionary(grouping: system.unitLinks) { $0.split(separator: "/").last.map(String.init) ?? "" }
        let names = Set(
            system.files.keys.filter { $0.hasPrefix(GuestFacts.unitFolder) }.compactMap { path in
                path.split(separator: "/").last.map(String.init)
            }
        )
        return names.sorted().compactMap { name in
            // A link may lead to a unit that a package has installed, and is read in its place then.
            let places = [GuestFacts.unitFolder + name] + (links[name] ?? [])
            guard let path = places.first(where: { system.bytes($0) != nil }), let bytes = system.bytes(path) else {
                return nil
            }
            let unit = ConfigurationFile(bytes, continues: true)
            return StartItem.item(ofUnit: path, unit, links: links[name] ?? []).map { (path, $0) }
        }
    }
}

extension StartForecast {
    enum Reason {
        case known(String)
        case unknown(String)
    }

    func why(_ outcome: Outcome) -> Reason {
        switch outcome {
        case .works: .known("")
        case .fails(let why): .known(why)
        case .hangs(let cause): .known("depends on \(Self.words(items[cause]))")
        case .unknown(let why): .unknown(why)
        }
    }
}
