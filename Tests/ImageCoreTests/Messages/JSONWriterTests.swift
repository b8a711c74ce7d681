import Testing

@testable import ImageCore

/// What is written straight to bytes is what `Codable` writes.
struct JSONWriterTests {
    @Test("A text is escaped as Codable escapes it")
    func texts() {
        let plain = (UInt8(0)..<128).map { String(UnicodeScalar($0)) }
        let others = ["", "a/b", #"\"#, "\"\"", "é", "e\u{301}", "日本", "\u{2028}", "\u{7F}", "👩‍👩‍👧", "end\n"]
        for text in plain + others + [plain.joined(), "x" + plain.joined() + "y"] {
            #expect(CanonicalJSON.bytes(text) == CanonicalJSON.encoded(text), "\(text.debugDescription)")
        }
    }

    @Test("A number is written as Codable writes it", arguments: [0, 1, -1, 9, 10, 1_000, .max, .min] as [Int64])
    func numbers(_ number: Int64) {
        #expect(CanonicalJSON.bytes(number) == CanonicalJSON.encoded(number))
    }

    @Test("A value with every property set is what Codable writes, and none of its properties is forgotten")
    func whole() throws {
        for value in try Self.wholeValues() {
            #expect(CanonicalJSON.bytes(value) == Self.encoded(value), "\(type(of: value))")
            let text = CanonicalJSON.bytes(value)
            guard case .object(let members)? = JSONValue(parsing: text) else {
                #expect(Bool(false), "\(type(of: value)) is no object"); continue
            }
            // An enumeration has no properties of its own.
            guard Mirror(reflecting: value).displayStyle == .struct else { continue }
            // These are not part of what is written.
            let properties = Mirror(reflecting: value).children.compactMap(\.label).filter {
                !["topic", "inspection", "row"].contains($0)
            }
            // A new property that is absent here would be forgotten without a word: set it above.
            #expect(Set(members.keys) == Set(properties), "\(type(of: value))")
        }
    }

    @Test("A value with nothing but what it must have is what Codable writes")
    func bare() {
        let image = Sample.accepted(disks: 1).image
        #expect(CanonicalJSON.bytes(image) == CanonicalJSON.encoded(image))
        for destination in Self.destinations {
            let message = OutgoingMessage(id: "a", destination: destination, routingKey: "", body: "")
            #expect(CanonicalJSON.bytes(message) == CanonicalJSON.encoded(message))
        }
        for output in Self.outputs { #expect(CanonicalJSON.bytes(output) == CanonicalJSON.encoded(output)) }
        #expect(CanonicalJSON.bytes(Answer.accepted()) == CanonicalJSON.encoded(Answer.accepted()))
    }

    private static func encoded(_ value: some Encodable) -> [UInt8] { CanonicalJSON.encoded(value) }

    private static let destinations: [OutgoingMessage.Destination] = [
        .requests, .jobs, .retry(.minutes2), .dead, .parking, .events, .reply,
    ]

    private static let finding: Finding = {
        var finding = Finding(.warning, "a \"line\"", code: .fstabMount, file: "/etc/fstab", line: 3, text: "x\ty")
        finding.advice = "remove it"
        return finding
    }()

    private static let resource = Resource(
        id: ResourceID(image: Sample.imageID, part: "east", fence: 1),
        kind: .replica,
        imageID: Sample.imageID,
        location: Sample.locations[0],
        host: HostName(known: "h1"),
        driver: DriverName(known: "kvm")
    )

    private static let capture: Capture = {
        var capture = Sample.capture(of: .system, into: resource)
        capture.format = .cinderSnapshot
        capture.guestFix = GuestFix(findings: [finding], diff: "--- a\n")
        capture.seal = SealRecord(removed: [.init(.logs, files: 3)], zeroed: ["/dev/sda1"], left: [finding])
        capture.secrets = [finding]
        return capture
    }()

    private static let replica = Replica(
        resource: resource,
        location: Sample.locations[0],
        files: [Replica.File(device: .system, name: "vda.qcow2", sizeBytes: 7, sha256: "ab")]
    )

    private static let outputs: [JobOutput] = [
        .checked([]), .checked([finding]), .captured(capture), .replicated(replica),
        .observed(Sample.seen(.loginPrompt)), .built, .launched(Sample.instanceID), .cleaned,
    ]

    private static let failure = StepFailure(
        .throttled,
        .unavailable,
        "later",
        advice: "wait",
        isFixedByAdvice: true,
        madeNothing: false
    )

    private static let launch = Launch(
        instanceID: InstanceID(known: "i-new"),
        owner: Owner(known: "acct-2"),
        requestID: RequestID(known: "r/2"),
        location: Sample.locations[0],
        disks: [LaunchDisk(device: .system, kind: .cloud, sizeBytes: 1, autoDelete: true, from: .system)]
    )

    /// One of every type that writes itself, with nothing absent.
    private static func wholeValues() throws -> [any JSONWritable] {
        let trace = try #require(
            TraceContext(parent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", state: "a=b")
        )
        var plan = Sample.plan(disks: 3, locations: 2)
        plan.host = HostName(known: "h1")
        plan.bootProof = BootTerms(.require, note: "n")
        plan.seal = [.dhcp, .machineID]
        plan.secretScan = .refuse
        plan.locationDrivers = [
            Sample.locations[1]: DriverName(known: "kvm"), Sample.locations[0]: DriverName(known: "cloud"),
        ]
        plan.locationHosts = [Sample.locations[1]: HostName(known: "h2"), Sample.locations[0]: HostName(known: "h1")]
        plan.conversion = Plan.Conversion(source: Sample.imageID, systemDisk: capture, captures: [capture])

        var job = JobState(attempt: 2, expectedAt: Sample.now, dueAt: Sample.now)
        job.publish()
        job.startedAt = Sample.now
        job.output = .captured(capture)
        job.lastFailure = failure
        job.waiting = JobState.Waiting(reason: "held", since: Sample.now)

        var image = Image(
            id: Sample.imageID,
            request: Sample.request.identity,
            label: Image.Label(
                name: "a/b",
                details: "é\n",
                labels: ["b": "1", "B": "2", "a\"": "3", "ä": "4", "": "5"]
            ),
            plan: plan,
            at: Sample.now
        )
        image.jobs = [.systemDisk: job]
        for (number, output) in outputs.enumerated() {
            job.output = output
            image.jobs[.cleanUp(ResourceID(image: Sample.imageID, part: "vda", fence: Int64(number)))] = job
        }
        image.countAttempts()
        image.launchAttempts = 4
        image.ledger = [LedgerEntry(resource: resource, job: .systemDisk, fence: 1, isAdopted: true)]
        image.cleaned = [resource.id]
        image.failure = ImageFailure(job: .stopCheck, attempts: 3, cause: failure, at: Sample.now)
        image.findings = [finding]
        image.bootProof = BootRecord(Sample.seen(.loginPrompt), at: Sample.locations[0], Sample.now, by: "w1")
        image.references.launches = [launch]
        image.trace = trace

        let line = Announcement(
            kind: .stepDone,
            sequence: 7,
            at: Sample.now,
            status: .pending,
            job: .dataDisk(Sample.device(1)),
            attempt: 2,
            failure: failure,
            reason: "because",
            actor: "acct-42",
            bytes: 9,
            milliseconds: 10,
            launch: launch
        )
        var event = CloudEvent(line, of: image)
        event.data = CloudEvent.Data(
            imageId: Sample.imageID,
            owner: Sample.owner,
            name: "n",
            instanceId: Sample.instanceID,
            requestId: Sample.requestID,
            status: .available,
            step: .dataDisk,
            subject: "s",
            attempt: 1,
            code: .conflict,
            message: "m",
            advice: "a",
            field: "f",
            disks: [.init(device: .system, resource: resource.id, virtualSizeBytes: 1, fileSizeBytes: 2, sha256: "c")],
            locations: Sample.locations,
            progress: CopyProgress(doneBytes: 1, totalBytes: 2),
            findings: [finding],
            bootProof: BootView(of: image)
        )
        let jobMessage = JobMessage(imageId: Sample.imageID, job: .stopCheck, attempt: 1, failure: failure)
        var message = OutgoingMessage(
            id: "a/b",
            destination: .retry(.hour1),
            routingKey: "k",
            correlationID: "c",
            replyTo: "r",
            attempt: 1,
            reason: "x",
            body: "{\"a\":1}"
        )
        message.isVouchedFor = true
        message.trace = trace
        var answer = Answer.rejected(Rejection(.conflict, "no", field: "f"))
        answer.imageId = Sample.imageID
        answer.imageStatus = .available
        answer.instanceId = Sample.instanceID
        answer.disks = launch.disks
        answer.image = ImageView(image)
        answer.images = [ImageView(image)]
        answer.nextPage = .history(after: 1)
        answer.dryRun = DryRun(
            plan: plan,
            copyBytes: [:],
            findings: [finding],
            quota: QuotaUsage(owner: Sample.owner, used: .none, limits: .standard),
            rates: CopyRates()
        )
        return [
            image, plan, plan.systemDisk, job, try #require(job.waiting), capture, replica, replica.files[0], resource,
            image.ledger[0], try #require(image.failure), failure, finding, image.quota, line, event, event.data,
            try #require(event.data.disks?.first), try #require(event.data.progress), jobMessage, message, trace,
            answer, QueuedJob(.stopCheck, attempt: 2, after: .minutes2, on: HostName(known: "h1")),
        ]
    }
}
