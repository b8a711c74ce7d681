/// What can go wrong in a simulation, by the name people give on the command line.
public enum FaultKind: String, CaseIterable, Codable, Sendable, Comparable {
    /// The broker loses a message that it had confirmed.
    case lost
    /// An operator purges a job queue, or the retry queues.
    case purge
    /// A message arrives twice.
    case duplicate
    /// A job's message comes by the lane of another host, as one that a person has moved.
    case misrouted
    /// A message arrives late, behind later ones.
    case delay
    /// The connection is lost before the broker has taken a message, or after it has and before its confirm.
    case confirm
    /// A worker's connection is lost: what it holds is handed out again while it goes on.
    case redelivery
    /// A worker dies at one of its calls across a port, before or after its effect.
    case crash
    /// A worker stands still past its lease and goes on as if nothing had been.
    case pause
    /// A worker's clock is wrong, or is set while it works; more seldom, the store's is set.
    case clock
    /// The compute system fails: for now, for good, or because it is asked too much.
    case driver
    /// The compute system takes longer than a delivery is held and a lease lives.
    case slow
    /// The store is out of reach, before a commit or after it.
    case store
    /// A worker must stop, and drains.
    case drain
    /// An owner cancels, at any moment.
    case cancel
    /// Owners retry, share, convert, launch from and delete images, at any moment and whether they may or not.
    case command
    /// A request comes twice, or another one under the same id.
    case `repeat`
    /// Requests race for an owner's last places.
    case quota
    /// Several images of one instance at once.
    case shared
    /// A location that nothing can be copied to.
    case location

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
