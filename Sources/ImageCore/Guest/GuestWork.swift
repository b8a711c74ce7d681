/// What the capture of a system disk does with the guest. The source is only read; what is written goes to the copy,
/// before it is hashed.
public struct GuestWork: Equatable, Sendable {
    /// Whether there is no image without a look into the guest: a capture that cannot look fails, and may be tried again
    /// where that can help.
    public var requiresLook: Bool
    /// Whether the result says what was seen before anything was changed (`GuestResult.inspection`).
    public var looks: Bool
    /// Whether the guest's files are fixed (`GuestFacts.edits`).
    public var fixes: Bool
    /// In the order of `SealItem.allCases`. Default: none.
    public var seal: [SealItem]
    /// Whether secrets are looked for.
    public var findsSecrets: Bool

    public init(
        looks: Bool = false,
        fixes: Bool = false,
        seal: [SealItem] = [],
        findsSecrets: Bool = false,
        requiresLook: Bool = false
    ) {
        self.requiresLook = requiresLook || fixes || !seal.isEmpty
        self.looks = looks
        self.fixes = fixes
        self.seal = seal
        self.findsSecrets = findsSecrets
    }

    /// Whether it has to be done on the copy. A mere look can be made at the source while it is copied.
    public var needsCopy: Bool { fixes || !seal.isEmpty || findsSecrets }
}

/// What came of it. Each part is absent when it was not requested.
public struct GuestResult: Equatable, Sendable {
    public var inspection: GuestInspection?
    public var fix: GuestFix?
    public var seal: SealRecord?
    public var secrets: [Finding]?

    public init(
        inspection: GuestInspection? = nil,
        fix: GuestFix? = nil,
        seal: SealRecord? = nil,
        secrets: [Finding]? = nil
    ) {
        self.inspection = inspection
        self.fix = fix
        self.seal = seal
        self.secrets = secrets
    }
}

extension Plan {
    /// What the capture of a disk does with the guest.
    public func guestWork(on device: DeviceName) -> GuestWork {
        guard device.isSystem else { return GuestWork() }
        var work = workOnCopy
        work.looks = guestChecks != .off && !looksFirst
        work.requiresLook = requiresLook && !looksFirst
        return work
    }

    private var workOnCopy: GuestWork {
        GuestWork(fixes: guestChecks == .fix, seal: seal ?? [], findsSecrets: secretScan != nil)
    }

    /// Whether the stop check looks into the guest, before anything is copied. It does only where a finding ends the
    /// image, and the capture starts no appliance anyway: a guest costs one start, and mostly beside the copying.
    public var looksFirst: Bool { guestChecks == .enforce && !workOnCopy.needsCopy }

    /// Whether a guest that cannot be looked into ends the image.
    public var requiresLook: Bool { guestChecks == .enforce || guestChecks == .fix || dependsOnGuest }

    /// Whether the image depends on work in the guest, whatever `guestChecks` says.
    public var dependsOnGuest: Bool { seal != nil || secretScan == .refuse }

    /// Why a captured disk may not become an image; `nil` when it may.
    func refusal(of capture: Capture) -> StepFailure? {
        if let inspection = capture.inspection {
            do throws(StepFailure) {
                _ = try guestChecks.judge(inspection, gap: nil, requiresLook: dependsOnGuest)
            } catch {
                return error
            }
        }
        return secretScan?.refusal(of: capture)
    }

    /// What counts for the image once a disk was captured.
    /// - Parameter findings: what counted before.
    func findings(_ findings: [Finding], with capture: Capture) -> [Finding] {
        var found = findings
        // What the copy has counts, where it differs from what the source has.
        if let seen = capture.guestFix?.findings ?? capture.inspection?.findings {
            found = found.filter { $0.code == .deviceGap } + seen
        }
        return found + (capture.seal?.left ?? []) + (capture.secrets ?? [])
    }
}
