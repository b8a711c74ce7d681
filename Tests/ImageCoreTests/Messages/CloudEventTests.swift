import Testing

@testable import ImageCore

/// What upstream systems follow an image by, as CloudEvents 1.0.
struct CloudEventTests {
    private static func available() -> (image: Image, line: Announcement?) {
        var play = Play(disks: 2)
        play.run(.stopCheck)
        play.run(.systemDisk)
        play.run(.dataDisk(Sample.device(1)))
        let last = play.run(.replicate(Sample.locations[0]))
        return (play.image, last.compactMap(\.line).last)
    }

    @Test("An event's text is fixed: others parse it")
    func golden() throws {
        let (image, line) = Self.available()
        let message = CloudEvent(try #require(line), of: image).outgoing()
        let sha = String(repeating: "ab", count: 32)
        #expect(
            message.body == """
                {"data":{"disks":[\
                {"device":"/dev/vda","fileSizeBytes":1048576,"resource":"img-0123456789abcdef.vda.2","sha256":"\(sha)","virtualSizeBytes":8589934592},\
                {"device":"/dev/vdb","fileSizeBytes":1048576,"resource":"img-0123456789abcdef.vdb.3","sha256":"\(sha)","virtualSizeBytes":8589934592}],\
                "imageId":"img-0123456789abcdef","instanceId":"i-web1","locations":["east"],"name":"web-golden","owner":"acct-42",\
                "requestId":"req-1","status":"Available"},"datacontenttype":"application/json","id":"img-0123456789abcdef/11",\
                "sequence":"11","source":"goldsmith","specversion":"1.0","subject":"img-0123456789abcdef",\
                "time":"2026-01-31T12:00:00.250Z","type":"goldsmith.image.available"}
                """
        )
        #expect(message.routingKey == "image.available.acct-42")
        #expect(message.contentType == "application/cloudevents+json")
        #expect(message.isMandatory == false)
    }

    @Test("Every event has what CloudEvents requires, and one routing key word for its owner")
    func requiredAttributes() {
        var play = Play(disks: 2)
        var events = Sample.accepted(disks: 2).effects.compactMap { $0.message(of: play.image) }
        let note = { (play: Play, effects: [Effect]) in effects.compactMap { $0.message(of: play.image) } }
        for disposition in [nil, StepFailure.Disposition.transient] {
            let effects = play.run(.stopCheck, failing: disposition)
            events += note(play, effects)
        }
        let cancelled = play.apply(.cancelled)
        events += note(play, cancelled)
        let rejected = CloudEvent(
            rejected: Rejection(.notFound, "no", field: "instanceId"),
            of: RequestIdentity(owner: Sample.owner, requestID: Sample.requestID),
            at: Sample.now
        )
        let progress = CloudEvent(
            progress: CopyProgress(doneBytes: 1, totalBytes: 2),
            of: .dataDisk(Sample.device(1)),
            fence: 3,
            image: play.image,
            at: Sample.now
        )
        events = (events + [rejected.outgoing(), progress.outgoing()]).filter { $0.destination == .events }
        #expect(events.count >= 6)
        for event in events {
            guard case .object(let fields)? = JSONValue(parsing: Array(event.body.utf8)) else {
                #expect(Bool(false), "not JSON"); continue
            }
            #expect(fields["specversion"] == .string("1.0"))
            #expect(fields["id"] == .string(event.id))
            for required in ["id", "source", "type", "time"] {
                guard case .string(let text)? = fields[required], !text.isEmpty else {
                    #expect(Bool(false), "\(required) is missing"); continue
                }
            }
            let lowercase = fields.keys.allSatisfy { $0.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber) } }
            #expect(lowercase, "attribute names are lower case: \(fields.keys)")
            #expect(event.routingKey.hasSuffix(".acct-42"))
            #expect(event.routingKey.split(separator: ".").count == (event.routingKey.hasPrefix("step.") ? 4 : 3))
        }
        #expect(Set(events.map(\.id)).count == events.count, "ids tell events apart")
    }

    @Test("A step's event names the step, its disk, the attempt and the cause")
    func stepEvent() throws {
        var play = Play(disks: 2)
        play.run(.stopCheck)
        let line = try #require(play.run(.dataDisk(Sample.device(1)), failing: .transient).compactMap(\.line).last)
        let event = CloudEvent(line, of: play.image)
        #expect(event.type == "goldsmith.step.data-disk.retrying")
        #expect(event.outgoing().routingKey == "step.data-disk.retrying.acct-42")
        #expect(event.data.step == .dataDisk)
        #expect(event.data.subject == "/dev/vdb")
        #expect(event.data.attempt == 2)
        #expect(event.data.code == .unavailable)
        #expect(event.data.advice == "try again")
        #expect(event.data.status == .pending)
    }

    @Test("A manifest's text is fixed: a replica is read without us")
    func manifest() {
        let sha = String(repeating: "ab", count: 32)
        #expect(
            CanonicalJSON.text(Manifest(of: Self.available().image)) == """
                {"createdAt":"2026-01-31T12:00:00.250Z","disks":[\
                {"autoDelete":true,"device":"/dev/vda","fileSizeBytes":1048576,"format":"qcow2","kind":"local","resource":"img-0123456789abcdef.vda.2","sha256":"\(sha)","sizeBytes":8589934592},\
                {"autoDelete":false,"device":"/dev/vdb","fileSizeBytes":1048576,"format":"qcow2","kind":"cloud","resource":"img-0123456789abcdef.vdb.3","sha256":"\(sha)","sizeBytes":8589934592}],\
                "imageId":"img-0123456789abcdef","instanceId":"i-web1","name":"web-golden","owner":"acct-42","rootDeviceType":"localDisk","version":1}
                """
        )
    }
}
