/// Whether a worker can do its work, and if not, why.
public struct WorkerHealth: Sendable, Equatable {
    public struct Problem: Sendable, Equatable {
        /// A sentence.
        public var text: String
        /// Whether it is known to be this process's own fault, so that starting it again helps. A broker or a store
        /// that is away is not.
        public var isCuredByRestart: Bool

        public init(_ text: String, isCuredByRestart: Bool = false) {
            self.text = text
            self.isCuredByRestart = isCuredByRestart
        }
    }

    public var problems: [Problem]

    public init(_ problems: [Problem]) { self.problems = problems }

    public var isReady: Bool { problems.isEmpty }
    /// False when only another start helps.
    public var isAlive: Bool { !problems.contains(where: \.isCuredByRestart) }
}
