import Testing

@testable import ImageCore

/// A row of the journal says what is to be sent, and nothing twice.
struct JournalEntryTests {
    @Test("The jobs of a transition are kept with its last line, and sent with the messages of that row")
    func rows() throws {
        let (image, effects) = Sample.accepted()
        let outgoing = OutgoingEffects(effects, of: image)
        #expect(outgoing.journal.map(\.line.sequence) == [1])
        #expect(outgoing.journal[0].jobs == [QueuedJob(.stopCheck, attempt: 1, after: nil)])
        #expect(outgoing.messages == outgoing.journal[0].messages(of: image))
        #expect(outgoing.messages.map(\.id) == ["\(image.id)/1", "\(image.id)/stop-check/1"])
        #expect(outgoing.messages.allSatisfy { $0.row == .journal(image.id, sequence: 1) })
        #expect(outgoing.messages[0].sharesRow(with: outgoing.messages[1]))
    }

    @Test("What belongs to no line has a row of its own")
    func withoutLine() {
        let (image, _) = Sample.accepted()
        let failure = Sample.failure(.permanent)
        let outgoing = OutgoingEffects(
            [.enqueue(.stopCheck, attempt: 1, after: .seconds30), .deadLetter(.stopCheck, attempt: 6, failure)],
            of: image
        )
        #expect(outgoing.journal.isEmpty)
        #expect(outgoing.messages.map(\.row) == [.outbox, .outbox])
        #expect(!outgoing.messages[0].sharesRow(with: outgoing.messages[1]))
    }

    @Test("A dead letter has a row of its own, beside the line that tells of it")
    func deadLetter() {
        var play = Play()
        let effects = play.run(.stopCheck, failing: .permanent)
        let outgoing = OutgoingEffects(effects, of: play.image)
        #expect(outgoing.messages.filter { $0.destination == .dead }.map(\.row) == [.outbox])
        let announced = outgoing.messages.filter { $0.destination == .events }.map(\.row)
        #expect(!announced.isEmpty && announced.allSatisfy { $0 != .outbox })
    }

    @Test("An event says what it said at first, also when the image has changed since")
    func kept() throws {
        var play = Play()
        play.run(.stopCheck)
        play.run(.systemDisk)
        let outgoing = OutgoingEffects(play.run(.replicate(Sample.locations[0])), of: play.image)
        let entry = try #require(outgoing.journal.first { $0.line.kind == .imageAvailable })
        let body = try #require(entry.event)
        #expect(body.contains("\"disks\":[{") && outgoing.messages.contains { $0.body == body })
        play.apply(.deletionConfirmed(snapshots: true))
        #expect(entry.messages(of: play.image).map(\.body) == [body])
        // A line that tells no more than itself is not kept a second time.
        #expect(outgoing.journal.first { $0.line.kind == .stepDone }?.event == nil)
    }

    @Test("What is found after a step is no part of that step's event, also when nothing was found before")
    func notLater() throws {
        var play = Play()
        let entry = try #require(
            OutgoingEffects(play.run(.stopCheck), of: play.image).journal.first { $0.event != nil }
        )
        #expect(entry.line.kind == .stepDone && entry.event?.contains("findings") == false)
        let body = entry.messages(of: play.image).first?.body
        let fence = play.begin(.systemDisk)
        var capture = Sample.capture(of: .systemDisk, in: play.image)
        capture.inspection = .notChecked(reason: "a", advice: "b", mayPass: true)
        play.apply(.succeeded(.systemDisk, fence: fence, .captured(capture)))
        #expect(!play.image.findings.isEmpty)
        #expect(entry.messages(of: play.image).first?.body == body)
    }
}
