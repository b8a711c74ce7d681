import ImageCore

/// Looks for secrets in the well-known places of every system on a disk. It reads, and keeps nothing of what it reads.
struct SecretLook {
    /// What is known of deleted blocks.
    enum Blocks {
        case zeroed
        case searched([Finding])
        /// Why not.
        case unread(String)
    }

    static func findings(
        _ disk: borrowing some GuestDisk & ~Copyable,
        _ facts: GuestFacts,
        blocks: Blocks
    ) -> [Finding] {
        var look = SecretLook()
        look.prepare(disk, facts)
        var found = look.gaps
        var seen: Set<String> = []
        for (mountable, type) in disk.fileSystems(on: facts.volumes) where type != "swap" && type != GuestLook.unknown {
            do throws(GuestTrouble) {
                try disk.mount(mountable, readOnly: true)
                for finding in try look.findings(disk) where seen.insert(finding.message).inserted {
                    found.append(finding)
                }
            } catch {
                found.append(.secretsNotChecked(PlainText.word(mountable), error.text))
            }
            // What was never mounted needs no unmounting, and says so.
            try? disk.unmountAll()
        }
        switch blocks {
        case .zeroed: break
        case .searched(let inBlocks): found += inBlocks
        case .unread(let reason):
            found.append(
                .secretsNotChecked("deleted blocks", reason, advice: "seal the image, which overwrites deleted blocks")
            )
        }
        return Finding.listed(secrets: found)
    }

    /// Users' homes, on all systems.
    private var homes: [String] = []
    /// Where volumes are mounted in them: a place in `/var/lib` is in `/lib` of the volume for `/var`.
    private var points: [String] = []
    private var gaps: [Finding] = []

    private mutating func prepare(_ disk: borrowing some GuestDisk & ~Copyable, _ facts: GuestFacts) {
        for system in facts.systems {
            do throws(GuestTrouble) {
                try disk.mount(system.root, readOnly: true)
                let (all, isCut) = try GuestSeal.homes(disk)
                homes += all.filter { !homes.contains($0) }
                if isCut { gaps.append(.secretsNotChecked("some home folders", "they are too many, or oddly named")) }
            } catch {
                gaps.append(.secretsNotChecked(PlainText.word(system.root), error.text))
            }
            // What was never mounted needs no unmounting, and says so.
            try? disk.unmountAll()
            guard case .bytes(let fstab) = system.fstab else { continue }
            for line in Fstab(fstab).mounts where line.target.hasPrefix("/") && SecretPlaces.isPlain(line.target) {
                let point = line.target.split(separator: "/").reduce("") { $0 + "/" + $1 }
                if !point.isEmpty, !points.contains(point) { points.append(point) }
            }
        }
    }

    /// All places, under their own paths and under those that they have on a volume of their own.
    private var patterns: [String] {
        let all = SecretPlaces.patterns(homes: homes)
        let single = points.isEmpty ? [] : all.flatMap(GuestPattern.alternatives)
        return all
            + points.flatMap { point in
                single.filter { $0.hasPrefix(point + "/") }.map { String($0.dropFirst(point.utf8.count)) }
            }
    }

    /// Of what is mounted.
    private func findings(_ disk: borrowing some GuestDisk & ~Copyable) throws(GuestTrouble) -> [Finding] {
        var found: [Finding] = []
        var count = 0
        for pattern in patterns {
            guard let paths = disk.paths(pattern) else {
                found.append(.secretsNotChecked(PlainText.word(pattern), "its files cannot be listed, or are too many"))
                continue
            }
            for path in paths {
                guard case .file(let size) = try disk.kind(path), size > 0 else { continue }
                count += 1
                guard count <= SecretPlaces.fileLimit else {
                    return found + [.secretsNotChecked("the rest of the files", "there are too many")]
                }
                guard size <= Int64(GuestFile.sizeLimit) else {
                    found.append(.secretsNotChecked(PlainText.path(path), "it is larger than 256 KiB"))
                    continue
                }
                let secrets = SecretText.count(in: try disk.read(path, limit: GuestFile.sizeLimit), path: path)
                if !secrets.isEmpty { found.append(secrets.finding(in: path)) }
            }
        }
        return found
    }
}
