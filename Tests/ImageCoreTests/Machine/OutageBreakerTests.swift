import ImageCore
import Testing

@Suite("Outage breaker")
struct OutageBreakerTests {
    private let failure = StepFailure(.transient, .unavailable, "the storage is away")

    private func image(_ number: Int) -> ImageID { ImageID(known: "img-\(number)") }

    @Test("one image failing again and again uses its attempts")
    func oneImage() {
        var breaker = OutageBreaker(threshold: 3)
        for _ in 0..<10 { #expect(breaker.failed(image(1), failure) == failure) }
        #expect(!breaker.isOpen)
    }

    @Test("different images failing alike use no attempts from the threshold on")
    func outage() {
        var breaker = OutageBreaker(threshold: 3)
        #expect(breaker.failed(image(1), failure).disposition == .transient)
        #expect(breaker.failed(image(2), failure).disposition == .transient)
        #expect(breaker.failed(image(3), failure).disposition == .throttled)
        #expect(breaker.failed(image(1), failure).disposition == .throttled)
        #expect(breaker.failed(image(1), failure).message.contains(failure.message))
    }

    @Test("one success ends the outage")
    func recovery() {
        var breaker = OutageBreaker(threshold: 2)
        _ = breaker.failed(image(1), failure)
        _ = breaker.failed(image(2), failure)
        #expect(breaker.isOpen)
        breaker.succeeded()
        #expect(breaker.failed(image(3), failure) == failure)
    }

    @Test("another cause starts the count anew, and a permanent failure is never held back")
    func otherCauses() {
        var breaker = OutageBreaker(threshold: 2)
        _ = breaker.failed(image(1), failure)
        let other = StepFailure(.transient, .internal, "something else")
        #expect(breaker.failed(image(2), other) == other)
        _ = breaker.failed(image(3), other)
        #expect(breaker.isOpen)
        let permanent = StepFailure(.permanent, .failedPrecondition, "no such disk")
        #expect(breaker.failed(image(4), permanent) == permanent)
    }
}
