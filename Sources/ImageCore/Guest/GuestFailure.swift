/// Why a look into a guest, or the repair of a copy, came to an end: what libguestfs's kernel said, read in one place.
public enum GuestFailure: String, Codable, Sendable, CaseIterable {
    case readOnly = "read-only"
    case denied
    /// The guest's own file system has no room.
    case full
    /// The guest's file system contradicts itself.
    case damaged
    /// The appliance's kernel does not know such a file system.
    case unsupported
    /// Nothing that could be sealed is there.
    case noSystem = "no-system"
    /// A file that was there a moment ago is another now.
    case changed
    /// Anything else: a disk that could not be read just then, memory that was short.
    case transient

    /// Whether the same disk leads to the same failure.
    public var isPermanent: Bool {
        switch self {
        case .readOnly, .denied, .full, .damaged, .unsupported, .noSystem: true
        case .changed, .transient: false
        }
    }

    /// What the image's owner can do.
    public var advice: String {
        switch self {
        case .readOnly:
            "make the guest's file system writable, or add nofail there yourself and ask for the image with enforce"
        case .denied: "take the protection off the guest's file, or change it there yourself"
        case .full: "make room on the guest's file system"
        case .damaged: "repair the guest's file system (fsck)"
        case .unsupported: "look at its /etc/fstab yourself, and ask for the image with guestChecks warn or off"
        case .noSystem: "ask for the image without seal"
        case .changed, .transient: "look at the disk, and at its /etc/fstab, yourself"
        }
    }
}
