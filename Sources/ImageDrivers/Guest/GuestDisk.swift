import ImageCore

/// A disk of a guest's, as `GuestLook` walks over it: through the appliance, or without it.
///
/// Both say the same of the same disk, since what is made of the facts must not depend on how they were had.
protocol GuestDisk: ~Copyable {
    /// Disks, partitions, logical volumes, arrays.
    func volumes() -> [GuestVolume]

    /// What can be mounted, and what the file system's type is.
    func fileSystems(on volumes: [GuestVolume]) -> [(mountable: String, type: String)]

    /// One at a time, at `/`.
    func mount(_ mountable: String, readOnly: Bool) throws(GuestTrouble)
    func unmountAll() throws(GuestTrouble)

    /// What is at a path, its links followed inside the guest.
    func kind(_ path: String) throws(GuestTrouble) -> GuestFile.Kind

    /// The paths that are there of a pattern with stars and braces; `nil` when they cannot be listed, or are too many.
    func paths(_ pattern: String) -> [String]?

    func read(_ path: String, limit: Int) throws(GuestTrouble) -> [UInt8]

    /// Whether what is mounted is a subvolume of btrfs that cannot be written.
    func isReadOnlySubvolume() -> Bool
}
