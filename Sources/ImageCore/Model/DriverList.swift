/// The drivers of an installation, by their names. An instance id says which one it belongs to: `cloud/web1`.
public struct DriverList: Equatable, Sendable {
    /// In the order of the setting, each once. Empty: there is one driver, and it has no name.
    public let names: [DriverName]

    public init(_ names: [DriverName] = []) {
        self.names = names.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    /// The driver of what says none: it had to be the only one when that was made.
    public var first: DriverName? { names.first }

    /// An instance's whole id. Only where there is one driver may it be left out.
    public func whole(_ id: InstanceID) throws(Rejection) -> InstanceID {
        guard let driver = id.driver else {
            guard names.count <= 1 else {
                throw Rejection(
                    .invalidArgument,
                    "\(id) does not say which driver it belongs to; write \(choices(for: id))",
                    field: "instanceId"
                )
            }
            return id.of(first)
        }
        guard !names.contains(driver) else { return id }
        throw Rejection(
            names.isEmpty ? .invalidArgument : .notFound,
            names.isEmpty
                ? "there is no driver \(driver): this installation has one driver, and ids here name none"
                : "there is no driver \(driver); known are \(names.map(\.text).joined(separator: ", "))",
            field: "instanceId"
        )
    }

    /// The whole id of an instance that is to be launched from a location of `driver`, which need not be said.
    public func whole(_ id: InstanceID, launchedBy driver: DriverName?) throws(Rejection) -> InstanceID {
        let driver = driver ?? first
        let id = try whole(id.driver == nil ? id.of(driver) : id)
        guard id.driver == driver else {
            throw Rejection(
                .failedPrecondition,
                "\(id) would belong to driver \(id.driver?.text ?? ""), and the location is of driver "
                    + "\(driver?.text ?? ""); choose a location of that driver, or an id of this one",
                field: "instanceId"
            )
        }
        return id
    }

    private func choices(for id: InstanceID) -> String {
        names.map { id.of($0).text }.joined(separator: ", or ")
    }
}
