import ImageCore

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
            "  instance \(instanceId?.text ?? "–")   owner \(owner)   root device \(rootDeviceType)   created \(Format.moment(createdAt))",
        ]
        if !description.isEmpty { lines.append("  \(description)") }
        if let convertedFrom { lines.append("  made of \(convertedFrom)") }
        if let convertingInto { lines.append("  being converted into \(convertingInto)") }
        if let sharedWith { lines.append("  shared with \(sharedWith.map(\.text).joined(separator: ", "))") }
        if let keptSnapshots {
            lines.append("  snapshots kept: \(keptSnapshots.map(\.text).joined(separator: ", "))")
        }
        var disks = Table("DEVICE", "KIND", "SIZE", "AUTO-DELETE", "SNAPSHOT OR FILE", "BYTES", "SHA-256")
        for disk in deviceMapping {
            disks.add(
                disk.device.description,
                disk.kind.rawValue,
                Format.bytes(disk.sizeBytes),
                disk.autoDelete ? "yes" : "no",
                disk.resource?.text ?? "–",
                disk.fileSizeBytes.map(Format.bytes) ?? "–",
                disk.sha256.map(Format.checksum) ?? "–"
            )
        }
        lines += ["", "Device mapping", disks.text]
        if !replicas.isEmpty {
            var table = Table("LOCATION", "FILE", "BYTES", "SHA-256")
            for replica in replicas {
                for file in replica.files {
                    table.add(
                        replica.location.text,
                        file.name,
                        Format.bytes(file.sizeBytes),
                        Format.checksum(file.sha256)
                    )
                }
            }
            lines += ["", "Replicas", table.text]
        }
        let open = jobs.filter { $0.phase == .waiting }
        if !open.isEmpty {
            var table = Table("JOB", "ATTEMPT", "WORKER", "PROGRESS", "WAITS FOR")
            for line in open {
                let progress = line.doneBytes.map { "\(Format.bytes($0)) of \(Format.bytes(line.totalBytes ?? 0))" }
                table.add(
                    line.job.description,
                    String(line.attempt),
                    line.worker?.text ?? "–",
                    progress ?? "–",
                    line.waitingFor ?? line.lastFailure.map { "retry after: \($0.message)" } ?? ""
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
        if let failure { lines += ["", failure.text] }
        return lines.joined(separator: "\n")
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
