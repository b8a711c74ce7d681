/// A place that images are replicated to, as the driver knows it.
public struct Location: Hashable, Comparable, Sendable {
    public var name: LocationName
    /// The host whose workers alone can write there, and which pulls the captures from theirs. Absent: it is mounted
    /// wherever captures are made.
    public var host: HostName?
    /// The driver that replicates to it, and launches from it. Absent: the only one.
    public var driver: DriverName?
    /// The drivers whose images it cannot take, each with the reason: a clause that can follow a colon.
    public var closedTo: [DriverName: String] = [:]

    public init(_ name: LocationName, on host: HostName? = nil, of driver: DriverName? = nil) {
        (self.name, self.host, self.driver) = (name, host, driver)
    }

    public static func < (left: Self, right: Self) -> Bool { left.name < right.name }
}
