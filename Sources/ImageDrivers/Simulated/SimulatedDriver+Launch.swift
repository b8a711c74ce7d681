public import ImageCore

extension SimulatedDriver {
    public func launch(_ call: LaunchCall) async throws(StepFailure) {
        let (launch, resource) = (call.launch, call.resource)
        try require(resource.host, for: "\(resource.id)")
        let name = try name(of: resource)
        try write(Marker(resource: resource), to: name)
        let copied = launch.disks.compactMap { disk in call.replica.files.first { $0.device == disk.from } }
        let bytes = copied.reduce(0) { $0 + $1.sizeBytes }
        try await pass(bytes: bytes, "The launch of \(launch.instanceID)", call.progress)
        try dice.throwOrPass("the launch \(resource.id)")
        try write(Marker(resource: resource, sums: ["built": ""]), to: name)
    }

    public func publishInstance(_ launch: Launch, from resource: Resource) async throws(StepFailure) {
        try dice.throwOrPass("the publishing of \(launch.instanceID)")
        try require(resource.host, for: "\(resource.id)")
        let name = try name(of: resource)
        let note = "launched/" + launch.instanceID.text
        let done = try marker(note)
        if done?.resource == resource { return }
        let built = try marker(name)
        guard built?.sums.isEmpty == false else { throw .notBuilt(launch.instanceID) }
        let taken: Instance? = try read(Self.name(launch.instanceID))
        guard taken == nil else { throw .exists(launch.instanceID) }
        try write(Marker(resource: resource), to: note)
        try add(
            Instance(
                id: launch.instanceID,
                owner: launch.owner,
                status: .stopped,
                disks: launch.disks.map {
                    Disk(device: $0.device, kind: $0.kind, sizeBytes: $0.sizeBytes, autoDelete: $0.autoDelete)
                },
                host: resource.host
            )
        )
        try directory.delete(name)
    }

    public func rollBackLaunch(_ resource: Resource) async throws(StepFailure) {
        try await delete(resource)
        for instance in try directory.names(in: "launched") {
            let note = try marker("launched/" + instance)
            guard note?.resource == resource else { continue }
            try directory.delete("instances/" + instance)
            try directory.delete("launched/" + instance)
        }
    }
}
