public import ImageCore

extension DriverSet: ToolTrial {
    /// What one driver needs and the others do not must not keep a worker from their work: a cloud or a location that is
    /// away is then told by the jobs that meet it, which wait.
    public func tryTools() async -> [ToolFault]? {
        var faults: [ToolFault] = []
        for member in members {
            guard let found = await member.driver.tryTools() else { return nil }
            faults += found.filter { fault in !faults.contains { $0.tool == fault.tool } }
        }
        return members.count == 1 ? faults : faults.filter { $0.tool != .cloud }
    }

    public func tryGuestLook(thoroughly: Bool) async -> ToolFault? {
        for member in members {
            if let fault = await member.driver.tryGuestLook(thoroughly: thoroughly) { return fault }
        }
        return nil
    }

    /// One driver that can is enough: which one an image needs shows when it is proven.
    public func tryBoot() async -> String? {
        var obstacle: String?
        for member in members {
            guard let found = await member.driver.tryBoot() else { return nil }
            obstacle = obstacle ?? found
        }
        return obstacle
    }
}
