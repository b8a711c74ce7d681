import Testing

@testable import ImageCore

/// What leaves: the same fact is always the same message.
struct OutgoingMessageTests {
    @Test("A job's message has the same id however often and wherever it is sent")
    func jobIDs() {
        let (image, effects) = Sample.accepted()
        let message = JobMessage(imageId: image.id, job: .dataDisk(Sample.device(1)), attempt: 2)
        let sent = [OutgoingMessage.Destination.jobs, .retry(.second1), .retry(.hour1)].map { message.outgoing(to: $0) }
        #expect(Set(sent.map(\.id)) == ["img-0123456789abcdef/data-disk:/dev/vdb/2"])
        #expect(Set(sent.map(\.routingKey)) == ["data-disk"])
        #expect(
            Set(sent.map(\.body)) == [#"{"attempt":2,"imageId":"img-0123456789abcdef","job":"data-disk:/dev/vdb"}"#]
        )
        #expect(sent.allSatisfy { $0.isMandatory && $0.attempt == 2 && $0.reason == nil })
        let first = effects.compactMap { $0.message(of: image) }
        #expect(first.map(\.id) == ["img-0123456789abcdef/1", "img-0123456789abcdef/stop-check/1"])
        #expect(first == effects.compactMap { $0.message(of: image) })
    }

    @Test("Dead letters and parked messages say why they are there")
    func failures() {
        let (image, _) = Sample.accepted()
        let dead = Effect.deadLetter(.stopCheck, attempt: 6, Sample.failure(.transient)).message(of: image)
        #expect(dead?.id == "img-0123456789abcdef/stop-check/6/failed")
        #expect(dead?.destination == .dead)
        #expect(dead?.reason == "UNAVAILABLE: the store of disks does not answer")
        let job = Job.cleanUp(ResourceID(image: image.id, part: "vda", fence: 2))
        let parked = Effect.park(job, attempt: 30, Sample.failure(.permanent)).message(of: image)
        #expect(parked?.destination == .parking)
        #expect(parked?.isMandatory == true)
        #expect(parked.flatMap { JobMessage(parsing: Array($0.body.utf8)) }?.failure == Sample.failure(.permanent))
    }

    @Test("What concerns the store alone sends nothing")
    func silentEffects() {
        let (image, _) = Sample.accepted()
        #expect([Effect.joinLine, .releaseLocks, .releaseQuota(.none)].compactMap { $0.message(of: image) } == [])
    }

    @Test("A job message reads back", arguments: NameTests.jobs.map(\.0))
    func roundTrip(_ job: Job) {
        for failure in [nil, Sample.failure(.throttled)] {
            let message = JobMessage(imageId: Sample.imageID, job: job, attempt: .max, failure: failure)
            #expect(JobMessage(parsing: CanonicalJSON.bytes(message)) == message)
        }
    }

    @Test(
        "What is not ours is nobody's job",
        arguments: [
            "", "{}", "null", "[]", "stop-check", #"{"attempt":1,"imageId":"img-a"}"#,
            #"{"attempt":1,"job":"stop-check"}"#,
            #"{"imageId":"img-a","job":"stop-check"}"#, #"{"attempt":0,"imageId":"img-a","job":"stop-check"}"#,
            #"{"attempt":-1,"imageId":"img-a","job":"stop-check"}"#,
            #"{"attempt":1.5,"imageId":"img-a","job":"stop-check"}"#,
            #"{"attempt":"1","imageId":"img-a","job":"stop-check"}"#,
            #"{"attempt":1e30,"imageId":"img-a","job":"stop-check"}"#,
            #"{"attempt":1,"imageId":"../a","job":"stop-check"}"#,
            #"{"attempt":1,"imageId":"img-a","job":"stop-check:x"}"#,
            #"{"attempt":1,"imageId":"img-a","job":"data-disk:/dev/vda"}"#,
            #"{"attempt":1,"imageId":"img-a","job":"stop-check","failure":{}}"#,
            String(repeating: "[", count: 60_000),
            #"{"attempt":1,"imageId":"img-a","job":"stop-check"}"# + String(repeating: " ", count: 65_536),
        ]
    )
    func garbage(_ body: String) { #expect(JobMessage(parsing: Array(body.utf8)) == nil) }

    @Test("An id fits its 255 bytes whatever comes from outside, and the outbox keeps copies apart")
    func longest() throws {
        let owner = try #require(Owner(String(repeating: "o", count: 63)))
        let request = try #require(RequestID(String(repeating: "r", count: 128)))
        let identity = RequestIdentity(owner: owner, requestID: request)
        let replies = ["1", "2"].map { text in
            let address = ReplyAddress(queue: "q", correlationID: text + String(repeating: "c", count: 254))
            return Answer.accepted(Sample.imageID, .pending).outgoing(to: address, for: identity, under: nil)
        }
        #expect(replies[0].id.utf8.count <= 255)
        #expect(replies[0].outboxKey != replies[1].outboxKey, "both who asked get their answer")

        let image = ImageID(known: "img-0123456789abcdef")
        let location = String(repeating: "l", count: 63)
        let job = Job.cleanUp(ResourceID(image: image, part: location, fence: .max))
        let message = JobMessage(imageId: image, job: job, attempt: .max, failure: Sample.failure(.permanent))
        #expect(message.outgoing(to: .parking).id.utf8.count <= 255)
        #expect(message.outgoing(to: .jobs).outboxKey != message.outgoing(to: .retry(.hour1)).outboxKey)
    }

    @Test("A reply keeps the correlation id, and need not find its reader")
    func replies() {
        let address = ReplyAddress(queue: "amq.gen-1", correlationID: "c-1")
        let identity = RequestIdentity(owner: Sample.owner, requestID: Sample.requestID)
        let trace = TraceContext(parent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", state: nil)
        let accepted = Answer.accepted(Sample.imageID, .pending).outgoing(to: address, for: identity, under: trace)
        #expect(accepted.trace == trace)
        #expect(accepted.id == "reply/acct-42/req-1")
        #expect(accepted.routingKey == "amq.gen-1")
        #expect(accepted.correlationID == "c-1")
        #expect(accepted.isMandatory == false)
        #expect(accepted.body == #"{"imageId":"img-0123456789abcdef","imageStatus":"Pending","status":"accepted"}"#)
        let rejection = Rejection(.quotaExceeded, "full", field: "dataDisks")
        let rejected = Answer.rejected(rejection)
        #expect(rejected.rejection == rejection)
        #expect(
            rejected.outgoing(to: address, for: nil, under: nil).body
                == #"{"code":"QUOTA_EXCEEDED","field":"dataDisks","message":"full","status":"rejected"}"#
        )
    }
}
