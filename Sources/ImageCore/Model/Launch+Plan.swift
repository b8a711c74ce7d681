extension Launch {
    /// Decides what a new instance gets, or says which field of the request cannot be met.
    /// - Parameter location: that of the replica; absent: the one that the request names, or the first.
    public init(
        _ request: LaunchRequest,
        as instance: InstanceID,
        at location: LocationName? = nil,
        of image: Image
    ) throws(Rejection) {
        let location = try image.location(named: location ?? request.location)
        let presets = Dictionary(uniqueKeysWithValues: image.plan.dataDisks.map { ($0.device, $0) })
        for (index, requested) in request.dataDisks.enumerated() where presets[requested.device] == nil {
            throw Rejection(
                .notFound,
                "image \(image.id) has no data disk \(requested.device)",
                field: "dataDisks[\(index)].device"
            )
        }
        let leftOut = Set(request.dataDisks.filter { $0.leaveOut == true }.map(\.device))
        let count = 1 + presets.count - leftOut.count + request.newDisks.count
        guard count <= Plan.diskLimit,
            let names = DeviceAssignment.names(
                presets: Set(presets.keys).subtracting(leftOut),
                added: request.newDisks.count
            )
        else {
            throw Rejection(
                .outOfRange,
                "the new instance would have \(count) disks; at most \(Plan.diskLimit) can be attached",
                field: "newDisks"
            )
        }
        let system = image.plan.systemDisk
        var disks = [
            LaunchDisk(
                device: .system,
                kind: system.kind,
                sizeBytes: system.sizeBytes,
                autoDelete: system.autoDelete,
                from: .system
            )
        ]
        for (device, disk) in names {
            switch disk {
            case .preset(let origin):
                guard let preset = presets[origin] else { continue }
                disks.append(try Self.disk(device, preset, request, image))
            case .added(let index):
                let requested = request.newDisks[index]
                disks.append(
                    LaunchDisk(
                        device: device,
                        kind: .cloud,
                        sizeBytes: Int64(requested.sizeGiB) << 30,
                        autoDelete: requested.autoDelete ?? true,
                        from: nil
                    )
                )
            }
        }
        self.init(
            instanceID: instance,
            owner: request.owner,
            requestID: request.requestID,
            location: location,
            disks: disks
        )
    }

    private static func disk(
        _ device: DeviceName,
        _ preset: PlannedDisk,
        _ request: LaunchRequest,
        _ image: Image
    ) throws(Rejection) -> LaunchDisk {
        let index = request.dataDisks.firstIndex { $0.device == preset.device }
        let requested = index.map { request.dataDisks[$0] }
        var size = preset.sizeBytes
        if let index, let gibibytes = requested?.sizeGiB {
            // Never below what the snapshot holds: the preset's capacity may itself have been raised.
            let held = image.captures.first { $0.device == preset.device }?.virtualSizeBytes ?? preset.sizeBytes
            guard Int64(gibibytes) << 30 >= held else {
                throw Rejection(
                    .outOfRange,
                    "\(preset.device) of image \(image.id) holds \(held) bytes; sizeGiB must be at least as large",
                    field: "dataDisks[\(index)].sizeGiB"
                )
            }
            size = Int64(gibibytes) << 30
        }
        return LaunchDisk(
            device: device,
            kind: preset.kind,
            sizeBytes: size,
            autoDelete: requested?.autoDelete ?? preset.autoDelete,
            from: preset.device
        )
    }
}
