import ImageCore
import Testing

@Suite("Times that cannot be are not believed")
struct StoredTimeTests {
    private static let now = Timestamp(microseconds: 1_700_000_000_000_000)

    private func lease(endingIn seconds: Int64, length: Duration?) -> Lease {
        Lease(
            image: ImageID(known: "img-1"),
            job: .stopCheck,
            fence: 1,
            worker: WorkerID(known: "w1"),
            expiresAt: Self.now + .seconds(seconds),
            progress: nil,
            length: length
        )
    }

    @Test("a lease is alive until it ends, unless it ends later than it is long")
    func leases() {
        let alive = { (seconds: Int64, length: Duration?) in
            lease(endingIn: seconds, length: length).isAlive(at: Self.now)
        }
        for seconds: Int64 in [1, 15, 25] { #expect(alive(seconds, .seconds(15))) }
        for seconds: Int64 in [-1, 0, 26, 3600, 86_400 * 365] { #expect(!alive(seconds, .seconds(15))) }
        #expect(alive(3600, .seconds(3600)))
        #expect(alive(3610, nil) && !alive(3611, nil))
    }

    @Test("what is expected later than the longest delay is overdue")
    func expectations() {
        let overdue = { (seconds: Int64) in StoredTime.isOverdue(Self.now + .seconds(seconds), at: Self.now) }
        for seconds: Int64 in [-86_400, -1, 0, 3731, 86_400] { #expect(overdue(seconds)) }
        for seconds: Int64 in [1, 120, 3600, 3730] { #expect(!overdue(seconds)) }
    }

    @Test("times at the end of all time trap nothing")
    func extremes() {
        for moment in [Int64.min, .max, 0] {
            let now = Timestamp(microseconds: moment)
            _ = StoredTime.isOverdue(Self.now, at: now)
            _ = lease(endingIn: 1, length: .seconds(Int64.max)).isAlive(at: now)
        }
    }
}
