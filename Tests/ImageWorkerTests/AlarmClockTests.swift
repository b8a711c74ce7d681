import Testing

@testable import ImageWorker

@Suite("Sleeps that are forgotten once they are cancelled", .timeLimit(.minutes(10)))
struct AlarmClockTests {
    @Test("a sleep ends when its time has come, and not before")
    func timely() async throws {
        let clock = AlarmClock()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for milliseconds in [30, 5, 200, 1, 30, 90, 0] {
                group.addTask {
                    let began = ContinuousClock.now
                    try await clock.sleep(for: .milliseconds(milliseconds))
                    #expect(ContinuousClock.now - began >= .milliseconds(milliseconds))
                }
            }
            try await group.waitForAll()
        }
        #expect(clock.count == 0)
    }

    @Test("an alarm that is set for an earlier time than all others rings before them")
    func earlier() async throws {
        let clock = AlarmClock()
        let late = Task { try await clock.sleep(for: .seconds(3600)) }
        while clock.count == 0 { await Task.yield() }
        try await clock.sleep(for: .milliseconds(5))
        late.cancel()
        await #expect(throws: CancellationError.self) { try await late.value }
        #expect(clock.count == 0)
    }

    @Test("whenever sleeps are cancelled, they end at once and nothing of them is left")
    func cancelled() async throws {
        let clock = AlarmClock()
        let count = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<2_000 {
                group.addTask {
                    let sleep = Task { try await clock.sleep(for: .seconds(3600 + number % 3)) }
                    for _ in 0..<number % 7 { await Task.yield() }
                    sleep.cancel()
                    do { try await sleep.value } catch _ { return true }
                    return false
                }
            }
            return await group.reduce(into: 0) { count, isCancelled in if isCancelled { count += 1 } }
        }
        #expect(count == 2_000)
        #expect(clock.count == 0)
    }

    @Test("a sleep that ends and is cancelled at the same time leaves nothing either")
    func racing() async throws {
        let clock = AlarmClock()
        await withDiscardingTaskGroup { group in
            for number in 0..<500 {
                group.addTask {
                    let sleep = Task { try? await clock.sleep(for: .microseconds(100 + number)) }
                    try? await clock.sleep(for: .microseconds(100 + number))
                    sleep.cancel()
                    await sleep.value
                }
            }
        }
        #expect(clock.count == 0)
    }
}
