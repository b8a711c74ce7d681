/// A place that images are replicated to, as the driver knows it.
public struct Location: Hashable, Comparable, Sendable {
    public var name: LocationName
    /// The host whose workers alone can write there, and which pulls the captures from theirs. Absent: it is mounted
    /// wherever captures are made.
    public var host: HostName?

    public init(_ name: LocationName, on host: HostName? = nil) { (self.name, self.host) = (name, host) }

    public static func < (left: Self, right: Self) -> Bool { left.name < right.name }
}
