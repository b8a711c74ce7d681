import Testing

@testable import ImageCore

/// New instances from an image.
struct LaunchTests {
    private static func device(_ letters: String) -> DeviceName {
        DeviceName("/dev/vd" + letters) ?? .system
    }

    /// The disks in their names' order: a preset by its letter, an added one by its number.
    private static func named(_ presets: String, added: Int) -> String? {
        let presets = Set(presets.map { device(String($0)) })
        return DeviceAssignment.names(presets: presets, added: added)?.enumerated().map { index, named in
            let place = String(named.device.shortName.dropFirst(2))
            #expect(named.device.position == index + 1, "names have no gap")
            switch named.disk {
            case .preset(let device): return "\(place)=\(device.shortName.dropFirst(2))"
            case .added(let number): return "\(place)=\(number)"
            }
        }.joined(separator: " ")
    }

    @Test(
        "Device names: presets keep their order, new disks fill gaps first, and gaps close",
        arguments: [
            // The kept presets, the added disks, and the resulting names.
            ("", 0, ""), ("", 3, "b=0 c=1 d=2"),
            ("bcd", 0, "b=b c=c d=d"), ("bcd", 2, "b=b c=c d=d e=0 f=1"),
            // b left out: the guest closes the gap.
            ("cd", 0, "b=c c=d"),
            // b and c left out, one added: it fills the first gap, and d moves up.
            ("d", 1, "b=0 c=d"),
            ("d", 2, "b=0 c=1 d=d"), ("d", 3, "b=0 c=1 d=d e=2"),
            // A gap the image has itself.
            ("bd", 0, "b=b c=d"), ("bd", 1, "b=b c=0 d=d"), ("bdf", 2, "b=b c=0 d=d e=1 f=f"),
            ("bdf", 1, "b=b c=0 d=d e=f"), ("z", 0, "b=z"), ("z", 1, "b=0 c=z"),
        ]
    )
    func names(presets: String, added: Int, expected: String) {
        #expect(Self.named(presets, added: added) == expected)
    }

    @Test("There are 64 names, and not one more")
    func tooMany() {
        #expect(DeviceAssignment.names(presets: [], added: 64)?.last?.device.shortName == "vdbm")
        #expect(DeviceAssignment.names(presets: [], added: 65) == nil)
        #expect(DeviceAssignment.names(presets: [Self.device("b")], added: 64) == nil)
        #expect(DeviceAssignment.names(presets: [], added: -1) == nil)
        #expect(DeviceAssignment.names(presets: [], added: .max) == nil)
    }

    private static func request(
        _ presets: [LaunchRequest.Preset] = [],
        new: [Int] = [],
        location: String? = nil
    ) -> LaunchRequest {
        LaunchRequest(
            requestID: RequestID(known: "r9"),
            owner: Sample.owner,
            imageID: Sample.imageID,
            location: location.map { LocationName(known: $0) },
            dataDisks: presets,
            newDisks: new.map { .init(sizeGiB: $0, autoDelete: nil) }
        )
    }

    private static func launch(_ request: LaunchRequest, of image: Image) -> Result<Launch, Rejection> {
        Result { () throws(Rejection) in
            try Launch(request, as: InstanceID(known: "i-new1"), of: image)
        }
    }

    @Test("A launch gets the image's mapping, with what the request changes")
    func mapping() throws {
        let image = Life.available().image
        let request = Self.request(
            [
                .init(device: Self.device("b"), sizeGiB: 20, autoDelete: true, leaveOut: nil),
                .init(device: Self.device("c"), sizeGiB: nil, autoDelete: nil, leaveOut: true),
            ],
            new: [5]
        )
        let launch = try Self.launch(request, of: image).get()
        #expect(launch.location == image.replicas[0].location)
        #expect(launch.disks.map(\.device.shortName) == ["vda", "vdb", "vdc"])
        #expect(launch.disks.map { $0.from?.shortName } == ["vda", "vdb", nil])
        #expect(launch.disks.map { $0.sizeBytes >> 30 } == [8, 20, 5])
        #expect(launch.disks.map(\.kind) == [.local, .cloud, .cloud])
        #expect(launch.disks.map(\.autoDelete) == [true, true, true])
    }

    @Test("What a launch cannot have is refused with the field's name")
    func refusals() throws {
        let image = Life.available().image
        func refused(_ request: LaunchRequest) -> String? {
            guard case .failure(let rejection) = Self.launch(request, of: image) else { return nil }
            return "\(rejection.code.rawValue) \(rejection.field ?? "")"
        }
        let small = LaunchRequest.Preset(device: Self.device("c"), sizeGiB: 7, autoDelete: nil, leaveOut: nil)
        #expect(refused(Self.request([small])) == "OUT_OF_RANGE dataDisks[0].sizeGiB")
        let unknown = LaunchRequest.Preset(device: Self.device("h"), sizeGiB: nil, autoDelete: nil, leaveOut: true)
        #expect(refused(Self.request([unknown])) == "NOT_FOUND dataDisks[0].device")
        #expect(refused(Self.request(new: Array(repeating: 1, count: 6))) == "OUT_OF_RANGE newDisks")
        #expect(refused(Self.request(new: Array(repeating: 1, count: 5))) == nil)
        let elsewhere = try Self.launch(Self.request(location: "mars"), of: image).get()
        let refusal = image.refusal(of: .launch(elsewhere), by: Sample.owner)
        #expect(refusal?.code == .notFound && refusal?.field == "location")
        let unmade = Sample.accepted().image
        guard case .failure(let rejection) = Self.launch(Self.request(), of: unmade) else {
            Issue.record("launched from nothing")
            return
        }
        #expect(rejection.code == .failedPrecondition)
    }

    @Test("A launch is built, decided, and then published; the instance is no resource of the image any more")
    func published() {
        var life = Life.available()
        let ledger = life.image.ledger
        let job = Job.launch(InstanceID(known: "i-new1"))
        life.apply(.launching(life.launch("i-new1")))
        life.apply(.began(job, attempt: 1))
        let dead = life.image.fence
        #expect(life.image.ledger.count == ledger.count + 1, "it is in the ledger before it is made")
        // Its worker seems dead; another one begins again.
        life.apply(.began(job, attempt: 1))
        life.apply(.succeeded(job, fence: life.image.fence, .built))
        #expect(life.image.jobs[job]?.phase == .waiting && life.image.jobs[job]?.attempt == 2)
        #expect(life.apply(.succeeded(job, fence: dead, .built)) == .ignored(.superseded, [], .superseded))
        #expect(life.apply(.began(job, attempt: 1)) == .ignored(.superseded, []), "the message for the building")
        let before = life.image.ledger
        life.apply(.began(job, attempt: 2))
        #expect(life.image.ledger == before, "the publishing makes nothing")
        life.apply(.succeeded(job, fence: life.image.fence, .launched(InstanceID(known: "i-new1"))))
        #expect(life.open.map(\.step) == [.cleanUp], "what the dead worker left is deleted")
        life.runToItsEnd()
        #expect(life.image.ledger == ledger && life.image.status == .available)
    }

    @Test("A launch that works at once is one attempt, from its beginning to the end of publishing")
    func oneAttempt() throws {
        var life = Life.available()
        let job = Job.launch(InstanceID(known: "i-new1"))
        life.apply(.launching(life.launch("i-new1")))
        life.run(job)
        let view = ImageView(life.image)
        #expect(view.jobs.first { $0.job == job }?.attempt == 1)
        life.context.now = Sample.now + .seconds(5)
        life.run(job)
        let lines = life.lines.filter { $0.job == job }
        #expect(lines.map(\.kind) == [.stepStarted, .stepDone] && lines.map(\.attempt) == [1, 1])
        #expect(lines.last?.milliseconds == 5_000, "both halves of it")
    }

    @Test("Publishing that is tried again is the second attempt, and has as many as any other job")
    func publishedAgain() throws {
        var life = Life.available()
        let job = Job.launch(InstanceID(known: "i-new1"))
        life.apply(.launching(life.launch("i-new1")))
        life.run(job)
        for _ in 2...life.context.policy.attempts(for: .launch) {
            life.apply(.began(job, attempt: try #require(life.image.jobs[job]).attempt))
            life.apply(.failed(job, fence: life.image.fence, Sample.failure(.transient), discarded: false))
            #expect(life.image.jobs[job]?.phase == .waiting)
        }
        life.run(job)
        #expect(life.image.jobs[job]?.phase == .done)
        #expect(life.lines.last { $0.kind == .stepDone }?.attempt == life.context.policy.attempts(for: .launch))
    }

    @Test("Publishing that fails for good takes what was built with it")
    func failedPublishing() {
        var life = Life.available()
        let ledger = life.image.ledger
        let job = Job.launch(InstanceID(known: "i-new1"))
        life.apply(.launching(life.launch("i-new1")))
        life.apply(.began(job, attempt: 1))
        life.apply(.succeeded(job, fence: life.image.fence, .built))
        life.kill(job)
        #expect(life.open.map(\.step) == [.cleanUp])
        life.runToItsEnd()
        #expect(life.image.ledger == ledger && life.image.references.launches.isEmpty)
    }

    @Test("An instance id can be launched again once its launch has ended, and what comes late of that does nothing")
    func again() throws {
        var life = Life.available()
        let launch = life.launch("web2")
        let job = Job.launch(launch.instanceID)
        let failure = Sample.failure(.permanent)
        life.apply(.launching(launch))
        life.apply(.began(job, attempt: 1))
        life.apply(.failed(job, fence: life.image.fence, failure, discarded: true))
        #expect(life.refusal(.launch(launch)) == .instanceExists(launch.instanceID), "its dead letter is to come")
        #expect(life.apply(.launching(launch)) == .ignored(.alreadyDone, []))
        life.apply(.deadLettered(job, attempt: 1, failure))
        #expect(life.refusal(.launch(launch)) == nil)
        life.apply(.launching(launch))
        let again = try #require(life.image.jobs[job])
        #expect(again.phase == .waiting && again.attempt > 1 && again.tries == 1)
        #expect(life.apply(.deadLettered(job, attempt: 1, failure)) == .ignored(.superseded, []))
        #expect(life.image.jobs[job]?.phase == .waiting && life.image.references.launches == [launch])
        for _ in 1..<life.context.policy.attempts(for: .launch) {
            life.apply(.began(job, attempt: try #require(life.image.jobs[job]).attempt))
            life.apply(.failed(job, fence: life.image.fence, Sample.failure(.transient), discarded: false))
            #expect(life.image.jobs[job]?.phase == .waiting, "it has as many attempts as any other")
        }
        life.runToItsEnd()
        #expect(life.image.references.launches == [launch] || life.image.plan.systemDisk.kind == .cloud)
        #expect(life.image.jobs[job]?.phase == .done)
    }

    @Test("A launch that fails leaves the image Available, and nothing behind")
    func failed() {
        var life = Life.available()
        let ledger = life.image.ledger
        life.apply(.launching(life.launch("i-new1")))
        life.apply(.began(.launch(InstanceID(known: "i-new1")), attempt: 1))
        life.kill(.launch(InstanceID(known: "i-new1")))
        #expect(life.image.status == .available && life.image.failure == nil)
        life.runToItsEnd()
        #expect(life.image.ledger == ledger)
        #expect(life.image.references.launches.isEmpty)
        #expect(life.image.wakeAt == nil)
        life.apply(.launching(life.launch("i-new2")))
        #expect(life.image.jobs[.launch(InstanceID(known: "i-new1"))] == nil, "failed launches do not pile up")
    }

    @Test("A launch that the broker gave up is told of")
    func givenUp() {
        var life = Life.available()
        let job = Job.launch(InstanceID(known: "i-new1"))
        life.apply(.launching(life.launch("i-new1")))
        life.apply(.deadLettered(job, attempt: 1, Sample.failure(.permanent)))
        #expect(life.lines.last?.kind == .stepFailed && life.lines.last?.launch?.owner == life.image.owner)
        #expect(life.image.status == .available && life.open.isEmpty)
    }

    @Test("A lost dead letter of a launch is sent again")
    func lostDeadLetter() {
        var life = Life.available()
        let job = Job.launch(InstanceID(known: "i-new1"))
        life.apply(.launching(life.launch("i-new1")))
        life.apply(.began(job, attempt: 1))
        life.apply(.failed(job, fence: life.image.fence, Sample.failure(.permanent), discarded: true))
        #expect(life.image.wakeAt != nil)
        life.context.now = Sample.now + .seconds(1_000)
        let effects = life.apply(.overdue(alive: [])).effects
        #expect(effects.contains { if case .deadLetter(job, _, _) = $0 { true } else { false } })
    }

    @Test("a history of thousands of lines comes in pages of a bounded size, each line once and in order")
    func pages() throws {
        let life = Life.available()
        var line = try #require(life.lines.last)
        for message in ["short", String(repeating: "l", count: 4_000)] {
            line.reason = message
            let history = (1...3_000).map { number in
                var line = line
                line.sequence = Int64(number)
                return line
            }
            var (seen, last, sizes) = ([HistoryLine](), Int64(0), [Int]())
            while true {
                var page = HistoryPage(after: last)
                // As the store gives them: some at a time.
                var batch = history.dropFirst(Int(last)).prefix(200)
                while !page.isFull, !batch.isEmpty {
                    page.take(Array(batch), of: life.image, for: life.image.owner)
                    batch = history.dropFirst(Int(page.last)).prefix(200)
                }
                seen += page.lines
                sizes.append(CanonicalJSON.bytes(page.lines).count)
                guard case .history(let next) = page.next else { break }
                last = next
            }
            #expect(seen == history.map { HistoryLine($0) })
            #expect(sizes.count >= 6 && sizes.allSatisfy { $0 <= HistoryPage.byteLimit + 1_000 }, "\(sizes)")
        }
    }

    @Test("What others launch is told to them and not to the image's owner")
    func privacy() throws {
        var life = Life.available()
        let receiver = Owner(known: "acct-7")
        life.apply(.shared([receiver]))
        life.apply(.launching(life.launch("i-theirs", by: receiver)))
        for _ in 0..<2 { life.run(.launch(InstanceID(known: "i-theirs"))) }
        let launches = life.lines.filter { $0.job?.step == .launch }
        #expect(launches.map(\.kind) == [.stepStarted, .stepDone])
        #expect(launches.map(\.attempt) == [1, 1], "publishing is no second attempt")
        for line in launches {
            let event = CloudEvent(line, of: life.image)
            #expect(event.outgoing().routingKey.hasSuffix(".acct-7"))
            #expect(event.data.owner == receiver && event.data.instanceId == InstanceID(known: "i-theirs"))
            #expect(event.data.requestId == RequestID(known: "r-i-theirs"))
        }
        let all = life.lines
        var (own, theirs) = (HistoryPage(after: 0), HistoryPage(after: 0))
        own.take(all, of: life.image, for: life.image.owner)
        theirs.take(all, of: life.image, for: receiver)
        #expect(!own.lines.isEmpty && own.lines.allSatisfy { $0.job?.step != .launch })
        #expect(theirs.lines.count == 2 && theirs.next == nil && theirs.last == all.last?.sequence)
        #expect(ImageView(life.image, for: life.image.owner).jobs.allSatisfy { $0.job.step != .launch })
        let view = ImageView(life.image, for: receiver)
        #expect(view.instanceId == nil && view.requestId == nil && view.jobs.isEmpty && view.sharedWith == nil)
    }
}
