import ImageCore

extension Rejection {
    /// What a user can do next after a refusal, beyond what the refusal says itself. It fits the refused field, so that
    /// it names only a list that can show the mistake.
    func nextStep(after operation: Operation) -> String? {
        switch code {
        case .invalidArgument, .outOfRange: nil
        case .notFound: whereItIs(operation)
        case .failedPrecondition: inWhatState
        case .conflict where field == "requestId": "leave --request-id out, or give one that is new"
        case .conflict: "wait for what holds it (`goldsmith image list`), then ask again"
        case .duplicate: "use another --request-id, or none; the first request has its answer already"
        case .permissionDenied: "ask as the owner (--owner), or let this user ask: setting upstreams of the workers"
        case .quotaExceeded:
            "`goldsmith quota show` says what is held; delete images, or raise it: `goldsmith quota set`"
        case .cancelled: "`goldsmith image retry` tries it again"
        case .unavailable: "`goldsmith doctor` says what is away; then ask again, with a new --request-id or none"
        case .secretsFound: "`goldsmith image show` names the files"
        case .bootFailed, .bootNotProven: "`goldsmith image show` has the end of its console"
        case .internal: "look into the workers' logs, then ask again"
        }
    }

    /// The field without what stands in it: `dataDisks[1].device` → `dataDisks`.
    private var outerField: String? { field.map { String($0.prefix { $0 != "[" && $0 != "." }) } }

    private func whereItIs(_ operation: Operation) -> String? {
        switch (outerField, operation) {
        case ("instanceId", _): "`goldsmith instance list` shows the instances and their owners; is --owner right?"
        case ("imageId", _): "`goldsmith image list` shows the images and their owners; is --owner right?"
        case ("dataDisks", .launch): "`goldsmith image show` lists the image's disks"
        case ("dataDisks", _): "`goldsmith instance show` lists the instance's disks"
        case ("replicateTo", _): "give one that is known, or leave --replicate-to out for all of them"
        case ("location", _): "`goldsmith image show` lists its replicas; without --location the first of them is taken"
        case ("with", _): "`goldsmith image show` says whom it is shared with"
        default: nil
        }
    }

    private var inWhatState: String? {
        switch outerField {
        case "instanceId", "dataDisks": "`goldsmith instance show` says how the instance and its disks are"
        case "imageId": "`goldsmith image show` says how the image is"
        default: nil
        }
    }
}
