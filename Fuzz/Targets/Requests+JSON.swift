import ImageCore

extension Request {
    /// The body an upstream would send for it, with every field spelt out.
    var asJSON: JSONValue {
        var fields = bodyAsJSON
        fields["requestId"] = .string(identity.requestID.text)
        fields["owner"] = .string(identity.owner.text)
        return .object(fields)
    }

    private var bodyAsJSON: [String: JSONValue] {
        switch self {
        case .cancel(let request), .retry(let request): ["imageId": .string(request.imageID.text)]
        case .delete(let request):
            [
                "imageId": .string(request.imageID.text), "confirm": .bool(true),
                "deleteSnapshots": .bool(request.deleteSnapshots),
            ]
        case .share(let request), .unshare(let request):
            ["imageId": .string(request.imageID.text), "with": .array(request.with.map { .string($0.text) })]
        case .convert(let request):
            ["imageId": .string(request.imageID.text), "name": JSONValue(request.name)]
        case .prove(let request):
            ["imageId": .string(request.imageID.text), "location": JSONValue(request.location?.text)]
        case .describe(let request): request.asJSON
        case .launch(let request):
            [
                "imageId": .string(request.imageID.text), "location": JSONValue(request.location?.text),
                "dataDisks": .array(request.dataDisks.map(\.asJSON)),
                "newDisks": .array(request.newDisks.map(\.asJSON)), "dryRun": JSONValue(request.dryRun),
            ]
        case .create(let request):
            [
                "instanceId": .string(request.instanceID.text), "name": .string(request.name),
                "description": .string(request.details), "dataDisks": request.dataDisks.asJSON,
                "replicateTo": request.replicateTo.map { .array($0.map { .string($0.text) }) } ?? .null,
                "guestChecks": .string(request.guestChecks.rawValue),
                "labels": .object(request.labels.mapValues { .string($0) }), "dryRun": JSONValue(request.dryRun),
            ]
        }
    }
}

extension JSONValue {
    fileprivate init(_ text: String?) { self = text.map { .string($0) } ?? .null }
    fileprivate init(_ flag: Bool?) { self = flag.map { .bool($0) } ?? .null }
    fileprivate init(_ number: Int?) { self = number.map { .number(Double($0)) } ?? .null }
}

extension DescribeRequest {
    fileprivate var asJSON: [String: JSONValue] {
        // A filter beside an image is refused, even an absent one's name.
        if let imageID {
            let page = page.map { ["page": JSONValue.string($0.description)] } ?? [:]
            return page.merging(["imageId": .string(imageID.text), "history": JSONValue(history)]) { $1 }
        }
        return [
            "status": JSONValue(status?.rawValue), "name": JSONValue(name), "instanceId": JSONValue(instanceID?.text),
            "labels": labels.map { .object($0.mapValues { .string($0) }) } ?? .null, "shared": JSONValue(shared),
            "limit": JSONValue(limit), "page": JSONValue(page?.description),
        ]
    }
}

extension LaunchRequest.Preset {
    fileprivate var asJSON: JSONValue {
        .object([
            "device": .string(device.description), "sizeGiB": JSONValue(sizeGiB), "autoDelete": JSONValue(autoDelete),
            "leaveOut": JSONValue(leaveOut),
        ])
    }
}

extension LaunchRequest.NewDisk {
    fileprivate var asJSON: JSONValue {
        .object(["sizeGiB": JSONValue(sizeGiB), "autoDelete": JSONValue(autoDelete)])
    }
}

extension CreateRequest.DataDisks {
    fileprivate var asJSON: JSONValue {
        switch self {
        case .all: .string("all")
        case .chosen(let disks):
            .array(
                disks.map { disk in
                    .object([
                        "device": .string(disk.device.description), "sizeGiB": JSONValue(disk.sizeGiB),
                        "autoDelete": JSONValue(disk.autoDelete),
                    ])
                }
            )
        }
    }
}
