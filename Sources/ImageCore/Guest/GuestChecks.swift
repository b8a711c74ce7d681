/// What to do about the guest's files that would keep a new instance from booting.
public enum GuestChecks: String, Codable, Sendable, CaseIterable {
    /// No inspection.
    case off
    /// Findings are kept with the image, which is created anyway.
    case warn
    /// Any finding ends the image's making, and so does not having been able to look.
    case enforce
    /// What is found is fixed on the captured copy. Not having been able to look ends the image's making.
    case fix
}

extension GuestChecks {
    /// What is kept with the image before anything is captured.
    /// - Parameter gap: a gap in the data disks' names, which stands in no file and cannot be fixed.
    /// - Throws: why there will be no image.
    public func judge(_ inspection: GuestInspection?, gap: Finding?) throws(StepFailure) -> [Finding] {
        let found = (gap.map { [$0] } ?? []) + (inspection?.findings ?? [])
        let fatal: [Finding] =
            switch self {
            case .off, .warn: []
            case .enforce: found
            case .fix: found.filter { $0.severity == .notChecked }
            }
        guard !fatal.isEmpty else { return found }
        throw .guest(fatal, mayPass: inspection?.mayPass == true)
    }
}

extension GuestInspection {
    public var findings: [Finding] {
        switch self {
        case .seen(let facts): facts.findings
        case .notChecked(let reason, let advice, _):
            [Finding(.notChecked, "the guest was not checked: \(reason)", code: .notChecked, advice: advice)]
        }
    }

    public var mayPass: Bool {
        switch self {
        case .seen: false
        case .notChecked(_, _, let mayPass): mayPass
        }
    }
}

extension StepFailure {
    /// The guest is not fit for an image, or it is unknown whether it is.
    public static func guest(_ findings: [Finding], mayPass: Bool) -> StepFailure {
        let told = findings.prefix(3).map { finding in
            finding.message + (finding.text.map { " (\($0))" } ?? "")
        }
        let rest = findings.count - told.count
        var advice: [String] = []
        for text in findings.compactMap(\.advice) where !advice.contains(text) && advice.count < 3 {
            advice.append(text)
        }
        return StepFailure(
            mayPass ? .transient : .permanent,
            mayPass ? .unavailable : .failedPrecondition,
            told.joined(separator: "; ") + (rest > 0 ? "; and \(rest) more" : ""),
            advice: advice.isEmpty ? nil : advice.joined(separator: "; ")
        )
    }
}
