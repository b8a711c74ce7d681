import ImageCore
import Operations

/// What an image consists of: its devices, its replicas, and what was found in its guest.
struct ImageContents {
    let image: Image

    var html: HTML { .joined([mapping, replicas, findings, seal, bootProof]) }

    /// The parts of a failed or deleted image are gone.
    private var isWhole: Bool {
        switch image.status {
        case .pending, .replicating, .available: true
        case .error, .deleting, .deleted: false
        }
    }

    private var mapping: HTML {
        let captures = isWhole ? image.captures : []
        return tag(.section) {
            DataTable(
                caption: "Device mapping",
                columns: ["Device", "Disk", "Size", "Auto-delete", "Snapshot or file", "Bytes", "SHA-256"],
                rows: image.plan.disks.map { disk in
                    let capture = captures.first { $0.device == disk.device }
                    return [
                        .code(disk.device.description),
                        .text("\(disk.device.isSystem ? "system" : "data"), \(disk.kind.rawValue)"),
                        .number(Quantity.bytes(disk.sizeBytes)),
                        .text(disk.autoDelete ? "yes" : "no"),
                        .code(capture?.resource.id.text),
                        .number((capture?.fileSizeBytes).map(Quantity.bytes)),
                        .checksum(capture?.sha256),
                    ]
                }
            ).html
        }
    }

    private var replicas: HTML {
        guard isWhole, !image.replicas.isEmpty else { return .nothing }
        let files = image.replicas.flatMap { replica in replica.files.map { (replica.location, $0) } }
        return tag(.section) {
            DataTable(
                caption: "Replicas",
                columns: ["Location", "File", "Bytes", "Compared", "SHA-256"],
                rows: files.map { location, file in
                    [
                        .text(location.text), .code(file.name), .number(Quantity.bytes(file.sizeBytes)),
                        .mark(comparison(file)), .checksum(file.sha256),
                    ]
                }
            ).html
        }
    }

    private func comparison(_ file: Replica.File) -> Mark {
        guard let capture = image.captures.first(where: { $0.device == file.device }) else {
            return Mark(.warning, "no capture")
        }
        return capture.sha256 == file.sha256 ? Mark(.good, "same as captured") : Mark(.bad, "differs")
    }

    private var findings: HTML {
        guard !image.findings.isEmpty else { return .nothing }
        return tag(.section) {
            tag(.h2) { "Notes on the guest" }
            tag(.ul, .class("plain")) {
                for finding in image.findings {
                    tag(.li) {
                        Self.mark(finding.severity).html
                        " "
                        Words.sentence(finding.message)
                        if let advice = finding.advice {
                            " "
                            Words.sentence(advice)
                        }
                        if let text = finding.text { tag(.code, .class("line")) { text } }
                    }
                }
            }
        }
    }

    private var seal: HTML {
        guard isWhole, let record = image.captures.compactMap(\.seal).first else { return .nothing }
        return tag(.section) {
            tag(.h2) { "Seal" }
            tag(.dl) {
                fact("Removed, with the number of files") { record.text }
                fact("Free space overwritten on") { record.zeroed.joined(separator: ", ") }
            }
        }
    }

    private var bootProof: HTML {
        guard let proof = BootView(of: image) else { return .nothing }
        return tag(.section) {
            tag(.h2) { "Boot proof" }
            tag(.p) {
                Self.mark(proof).html
                " "
                Words.sentence(proof.reason ?? proof.note ?? "asked for with \(proof.mode.rawValue)")
            }
            if let location = proof.location {
                tag(.dl) {
                    fact("Replica") { location.text }
                    if let worker = proof.worker { fact("Worker") { worker } }
                    if let firmware = proof.firmware { fact("Firmware") { firmware.rawValue.uppercased() } }
                    if let files = proof.files { fact("Kept beside the manifest") { files.joined(separator: ", ") } }
                }
            }
            if let console = proof.console {
                tag(.ul, .class("plain")) {
                    for line in console { tag(.li) { tag(.code, .class("line")) { line } } }
                }
            }
        }
    }

    private static func mark(_ proof: BootView) -> Mark {
        switch proof.verdict {
        case .proven?: Mark(.good, "Proven")
        case .failed?: Mark(.bad, "Failed")
        case .notProven?: Mark(.warning, "Not proven")
        case nil: proof.mode == .off ? Mark(.off, "Off") : Mark(.off, "Not done yet")
        }
    }

    private static func mark(_ severity: Finding.Severity) -> Mark {
        switch severity {
        case .notChecked: Mark(.off, "Not checked")
        case .warning: Mark(.warning, "Warning")
        case .fixed: Mark(.good, "Fixed")
        }
    }
}
