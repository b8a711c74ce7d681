import ImageCore
import Operations
import TerminalText

extension ImageStatus {
    var tone: Terminal.Tone {
        switch self {
        case .pending, .replicating: .busy
        case .available: .good
        case .error: .bad
        case .deleting, .deleted: .faint
        }
    }
}

/// An image for people.
extension ImageView {
    var text: String {
        var lines = [
            "\(Terminal.paint(id.text, .strong))  \(name)  \(Terminal.paint(status.rawValue, status.tone))",
            "  instance \(instanceId?.text ?? "–")   owner \(owner)   root device \(rootDeviceType)",
            "  created  \(Format.moment(createdAt))",
        ]
        if !description.isEmpty { lines.append("  \(description)") }
        if let convertedFrom { lines.append("  made of \(convertedFrom)") }
        if let convertingInto { lines.append("  being converted into \(convertingInto)") }
        if let sharedWith { lines.append("  shared with \(sharedWith.map(\.text).joined(separator: ", "))") }
        if let keptSnapshots {
            lines.append("  snapshots kept: \(keptSnapshots.map(\.text).joined(separator: ", "))")
        }
        var disks = Table(
            "DEVICE",
            "KIND",
            "SIZE",
            .dropped("AUTO-DELETE", 2),
            "SNAPSHOT OR FILE",
            .dropped("BYTES", 3),
            .dropped("SHA-256", 1)
        )
        for disk in deviceMapping {
            disks.add(
                disk.device.description,
                disk.kind.rawValue,
                Quantity.bytes(disk.sizeBytes),
                disk.autoDelete ? "yes" : "no",
                disk.resource?.text ?? "–",
                disk.fileSizeBytes.map(Quantity.bytes) ?? "–",
                disk.sha256.map(Format.checksum) ?? "–"
            )
        }
        lines += ["", "Device mapping", disks.text]
        if !replicas.isEmpty {
            var table = Table("LOCATION", "FILE", "BYTES", .dropped("SHA-256", 1))
            for replica in replicas {
                for file in replica.files {
                    table.add(
                        replica.location.text,
                        file.name,
                        Quantity.bytes(file.sizeBytes),
                        Format.checksum(file.sha256)
                    )
                }
            }
            lines += ["", "Replicas", table.text]
        }
        let open = jobs.filter { $0.phase == .waiting }
        if !open.isEmpty {
            var table = Table(
                "JOB",
                .dropped("ATTEMPT", 2),
                .dropped("WORKER", 1),
                .wrapped("PROGRESS"),
                .wrapped("WAITS FOR")
            )
            for line in open {
                table.add(
                    line.job.description,
                    String(line.attempt),
                    line.worker?.text ?? "–",
                    line.progress ?? "–",
                    line.hold
                )
            }
            lines += ["", "Open jobs", table.text]
        }
        if !findings.isEmpty { lines.append("") }
        for finding in findings {
            lines.append("note (\(finding.severity.rawValue)): \(finding.message)")
            if let text = finding.text { lines.append("  line:   \(text)") }
            if let advice = finding.advice { lines.append("  advice: \(advice)") }
        }
        if let guestDiff {
            lines += ["", "Changed on the captured copy"]
            lines += guestDiff.split(separator: "\n").map { "  " + $0 }
        }
        if let seal {
            lines += ["", "sealed: \(seal.text)", "  overwritten: \(seal.zeroed.joined(separator: ", "))"]
        }
        if let secretScan {
            let count = findings.count { $0.code == .secret }
            let found = count == 0 ? "nothing found" : "\(count) notes above"
            lines += ["", "secret scan: \(secretScan.rawValue), \(found)"]
        }
        if let bootProof { lines += ["", bootProof.text] }
        if let failure { lines += ["", failure.text] }
        return lines.joined(separator: "\n")
    }
}

extension BootView {
    /// How much of the console is shown.
    private static let lines = 8

    var text: String {
        guard let verdict else {
            return mode == .off
                ? "boot proof: off" + (note.map { " (\($0))" } ?? "") : "boot proof: \(mode.rawValue), not done yet"
        }
        let tone: Terminal.Tone =
            switch verdict {
            case .proven: .good
            case .failed: .bad
            case .notProven: .faint
            }
        var lines = ["boot proof: " + Terminal.paint(verdict.rawValue, tone) + (reason.map { " – \($0)" } ?? "")]
        let facts = [location.map { "replica at \($0)" }, worker.map { "by \($0)" }, at.map { Format.moment($0) }]
        lines.append("  " + facts.compactMap { $0 }.joined(separator: ", "))
        if let files { lines.append("  beside the manifest: \(files.joined(separator: ", "))") }
        // A guest decided what these are; they were made printable where they came in.
        if verdict != .proven, let console { lines += console.suffix(Self.lines).map { "  | \($0)" } }
        return lines.joined(separator: "\n")
    }
}

extension ImageView.JobLine {
    /// How far a worker is with it, or what it does.
    fileprivate var progress: String? {
        let bytes = doneBytes.flatMap { done in
            totalBytes.flatMap { $0 > 0 ? "\(Quantity.bytes(done)) of \(Quantity.bytes($0))" : nil }
        }
        let parts = [doing, bytes, since.map { "since \(Format.clocks([$0]).clocks.first ?? $0)" }].compactMap { $0 }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }

    /// Why it waits, and when it goes on.
    fileprivate var hold: String {
        let reason = waitingFor ?? lastFailure.map { "retry after: \($0.code.rawValue): \($0.message)" } ?? ""
        return reason + (nextAt.map { "; next \(Format.due($0))" } ?? "")
    }
}

extension ImageView.Failure {
    var text: String {
        let place = [step?.rawValue, subject].compactMap { $0 }.joined(separator: " ")
        var lines = [
            Terminal.paint("Error", .bad)
                + (place.isEmpty ? "" : " in \(place)")
                + (attempts > 0 ? " after \(attempts) attempt\(attempts == 1 ? "" : "s")" : ""),
            "  reason:   \(code.rawValue): \(message)",
        ]
        if let advice { lines.append("  advice:   \(advice)") }
        lines.append("  clean-up: \(cleanUp.rawValue)")
        if !cleaned.isEmpty { lines.append("  deleted:  \(cleaned.map(\.text).joined(separator: ", "))") }
        if !left.isEmpty { lines.append("  left:     \(left.map(\.text).joined(separator: ", "))") }
        return lines.joined(separator: "\n")
    }
}
