import Testing

@testable import ImageCore

/// Waiting for an instance that another image's making holds.
struct WaitingTests {
    @Test("Waiting uses no attempt, and looks again by itself in half a minute", arguments: [0, 29, 30, 6 * 3600])
    func looksAgain(secondsIn: Int) {
        var play = Play()
        play.findHeld()
        play.context.now = Sample.now + .seconds(secondsIn)
        #expect(
            play.findHeld().messages == [
                .enqueue(.stopCheck, attempt: 1, after: .seconds30)
            ]
        )
    }

    @Test("The reason stands in the history once, and again when it changes")
    func reasons() {
        var play = Play()
        let lines = ["img-a", "img-a", "img-b"].map {
            play.findHeld(by: $0).compactMap(\.line?.reason)
        }
        let held = "instance i-web1 is held by the making of image"
        #expect(lines == [["\(held) img-a"], [], ["\(held) img-b"]])
        #expect(play.image.jobs[.stopCheck]?.waiting?.since == Sample.now)
    }

    @Test("Past the deadline, waiting is a failure that names what was waited for")
    func deadline() {
        var play = Play()
        play.findHeld()
        play.context.now = Sample.now + .seconds(6 * 3600) + .microseconds(1)
        guard
            case .deadLetter(.stopCheck, attempt: 1, let failure) = play.findHeld().messages.first
        else { return #expect(Bool(false), "no dead letter") }
        #expect(failure.code == .conflict)
        #expect(failure.message.contains("is held by the making of image img-a"))
    }

    @Test("A success and a failure that uses an attempt end the waiting, throttling does not")
    func ends() {
        var play = Play()
        play.findHeld()
        let since = play.image.jobs[.stopCheck]?.waiting?.since
        play.context.now = Sample.now + .seconds(60)
        play.run(.stopCheck, failing: .throttled)
        #expect(play.image.jobs[.stopCheck]?.waiting?.since == since)
        play.run(.stopCheck, failing: .transient)
        #expect(play.image.jobs[.stopCheck]?.waiting == nil)
        play.run(.stopCheck, failing: .throttled)
        play.run(.stopCheck)
        #expect(play.image.jobs[.stopCheck]?.waiting == nil)
    }
}
