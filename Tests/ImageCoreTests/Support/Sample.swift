@testable import ImageCore

/// Small, fixed values that tests are about nothing of.
enum Sample {
    static let imageID = ImageID(known: "img-0123456789abcdef")
    static let instanceID = InstanceID(known: "i-web1")
    static let owner = Owner(known: "acct-42")
    static let requestID = RequestID(known: "req-1")
    /// 2026-01-31T12:00:00.250Z
    static let now = Timestamp(microseconds: 1_769_860_800_250_000)
    static let gibibyte: Int64 = 1 << 30
    static let locations = ["east", "west", "north", "south"].map(LocationName.init(known:))

    static func device(_ position: Int) -> DeviceName { DeviceName(position: position) ?? .system }

    static let request = CreateRequest(
        requestID: requestID,
        owner: owner,
        instanceID: instanceID,
        name: "web-golden",
        details: "nginx 1.27",
        labels: ["team": "web"]
    )

    /// - Parameter pulled: whether the captures are on h0, and each location is a folder of another host.
    static func plan(
        disks: Int = 1,
        locations count: Int = 1,
        systemDisk: DiskKind = .local,
        pulled: Bool = false,
        bootProof: BootTerms? = nil
    ) -> Plan {
        let planned = { (position: Int, kind: DiskKind) in
            PlannedDisk(device: device(position), kind: kind, sizeBytes: 8 * gibibyte, autoDelete: position == 0)
        }
        var plan = Plan(
            instanceID: instanceID,
            systemDisk: planned(0, systemDisk),
            dataDisks: (1..<max(disks, 1)).map { planned($0, .cloud) },
            locations: Array(locations.prefix(count)),
            guestChecks: .warn,
            bootProof: bootProof
        )
        if pulled {
            plan.host = HostName(known: "h0")
            let hosts = plan.locations.enumerated().map { ($1, HostName(known: "h\($0 + 1)")) }
            plan.locationHosts = Dictionary(uniqueKeysWithValues: hosts)
        }
        return plan
    }

    static func accepted(disks: Int = 1, locations: Int = 1, bootProof: BootTerms? = nil) -> (
        image: Image, effects: [Effect]
    ) {
        accepted(plan(disks: disks, locations: locations, bootProof: bootProof))
    }

    static func accepted(_ plan: Plan) -> (image: Image, effects: [Effect]) {
        Image.accepted(
            request.identity,
            label: request.label,
            as: imageID,
            plan: plan,
            in: TransitionContext(now: now)
        )
    }

    /// What a faithful worker reports for an attempt.
    static func output(of job: Job, fence: Int64, image: Image) -> JobOutput {
        let resource =
            image.resource(for: job, fence: fence)
            ?? Resource(id: ResourceID(image: image.id, part: "none", fence: fence), kind: .replica, imageID: image.id)
        switch job {
        case .stopCheck: return .checked([])
        case .systemDisk, .dataDisk, .convert: return .captured(capture(of: job.device ?? .system, into: resource))
        case .replicate(let location):
            return .replicated(Replica(resource: resource, location: location, files: []))
        case .bootProof: return .observed(seen(.loginPrompt))
        case .launch(let instance): return image.jobs[job]?.output == nil ? .built : .launched(instance)
        case .cleanUp: return .cleaned
        }
    }

    static let soundGuest = GuestInspection.seen(
        GuestFacts(volumes: [.init(device: "/dev/sda1", uuid: "1111")], systems: [.init(root: "/dev/sda1")])
    )

    /// What the job's last attempt has to report.
    static func capture(of job: Job, in image: Image) -> Capture {
        let resource = image.plan.resource(for: job, of: image.id, fence: image.fence)
        return capture(
            of: job.device ?? .system,
            into: resource
                ?? Resource(
                    id: ResourceID(image: image.id, part: "none", fence: 0),
                    kind: .imageFile,
                    imageID: image.id
                )
        )
    }

    static func capture(of device: DeviceName, into resource: Resource) -> Capture {
        Capture(
            resource: resource,
            device: device,
            virtualSizeBytes: 8 * gibibyte,
            fileSizeBytes: 1_048_576,
            sha256: String(repeating: "ab", count: 32),
            guest: GuestResult(inspection: device.isSystem ? soundGuest : nil)
        )
    }

    /// - Parameter sign: `nil` for nothing that decides.
    static func seen(_ sign: BootSign?) -> BootObservation {
        BootObservation(
            end: sign == nil ? .deadline : .sign,
            sign: sign,
            milliseconds: 23_400,
            isEmulated: true,
            firmware: .bios,
            console: ["Debian GNU/Linux 12 web1 ttyS0"],
            files: ["boot-console.txt"]
        )
    }

    static func failure(_ disposition: StepFailure.Disposition) -> StepFailure {
        StepFailure(disposition, .unavailable, "the store of disks does not answer", advice: "try again")
    }
}
