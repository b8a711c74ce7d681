/// The boot proof of an image as it is shown: in the answer to `image.describe`, by `--json`, in events. Fields are only
/// ever added.
public struct BootView: Codable, Equatable, Sendable {
    /// What the image's request asked for. A proof that was made later is shown with `off`, too.
    public var mode: BootProof
    /// Only with `require`.
    public var unproven: UnprovenBoot?
    /// Why the mode is off although the request did not say so.
    public var note: String?
    /// This and all below: absent until a proof has ended.
    public var verdict: BootVerdict?
    public var reason: String?
    /// The location of the replica that was started.
    public var location: LocationName?
    public var at: String?
    public var worker: String?
    /// What decided; absent when nothing did.
    public var sign: BootSign?
    public var milliseconds: Int64?
    public var emulated: Bool?
    public var firmware: BootFirmware?
    /// The last lines of the guest's console.
    public var console: [String]?
    /// What is kept beside the replica's manifest, by name.
    public var files: [String]?

    /// - Returns: `nil` where no proof was made, and nothing is to be said of that.
    public init?(of image: Image) {
        let terms = image.plan.bootProof
        guard terms != nil || image.bootProof != nil else { return nil }
        mode = terms?.mode ?? .off
        unproven = terms?.mode == .require ? terms?.unproven : nil
        note = terms?.note
        guard let record = image.bootProof else { return }
        verdict = record.verdict
        reason = record.reason
        location = record.location
        at = record.at.rfc3339
        worker = record.worker
        guard let seen = record.observation else { return }
        sign = seen.sign
        milliseconds = seen.milliseconds
        emulated = seen.isEmulated
        firmware = seen.firmware
        console = seen.console.isEmpty ? nil : seen.console
        files = seen.files.isEmpty ? nil : seen.files
    }
}
