/// What sealing has done to a captured system disk. Stored with the image: fields are only ever added.
public struct SealRecord: Codable, Equatable, Sendable {
    public struct Line: Codable, Equatable, Sendable {
        public var item: SealItem
        /// Files and folders that were deleted, emptied or written.
        public var files: Int

        public init(_ item: SealItem, files: Int) {
            self.item = item
            self.files = files
        }
    }

    /// What was done, in the order in which it was done.
    public var removed: [Line]
    /// The volumes whose free space, or whose swap space, was overwritten with zeros.
    public var zeroed: [String]
    /// What could not be sealed; absent when all could. It is among the image's findings.
    public var left: [Finding]?

    public init(removed: [Line] = [], zeroed: [String] = [], left: [Finding]? = nil) {
        self.removed = removed
        self.zeroed = zeroed
        self.left = left
    }

    /// For people: `machine-id (1), ssh-host-keys (6)`.
    public var text: String {
        removed.map { "\($0.item.rawValue) (\($0.files))" }.joined(separator: ", ")
    }
}
