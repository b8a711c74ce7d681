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
    /// - Parameters:
    ///   - gap: a gap in the data disks' names, which stands in no file and cannot be fixed.
    ///   - requiresLook: whether the capture has work in the guest, so that it must be possible to look into it.
    /// - Throws: why there will be no image.
    public func judge(
        _ inspection: GuestInspection?,
        gap: Finding?,
        requiresLook: Bool = false
    ) throws(StepFailure) -> [Finding] {
        let seen = inspection?.findings ?? []
        let found = (gap.map { [$0] } ?? []) + (self == .off ? [] : seen)
        let fatal: [Finding] =
            switch self {
            case .off, .warn: requiresLook && inspection?.isSeen == false ? seen : []
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

    var isSeen: Bool {
        switch self {
        case .seen: true
        case .notChecked: false
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
