import GoldsmithTestSupport
import Testing

@testable import ImageWorker

@Suite("Slots bound what a lane works on", .timeLimit(.minutes(30)))
struct SlotsTests {
    /// Waits as long as the test lets it.
    private func forever() async { try? await ManualTime().sleep(for: .seconds(1)) }

    @Test("free slots are granted at once, and a lane has at least one")
    func free() async {
        let slots = Slots(0)
        #expect(await slots.acquire { await self.forever() })
    }

    @Test("who waits gets slots in the order of coming")
    func order() async throws {
        let slots = Slots(1)
        #expect(await slots.acquire { await self.forever() })
        let (granted, grants) = AsyncStream<Int>.makeStream()
        await withTaskGroup(of: Void.self) { group in
            for number in 1...5 {
                group.addTask {
                    if await slots.acquire(timeout: { await self.forever() }) { grants.yield(number) }
                }
                try? await becomesTrue { await slots.waiting.count == number }
            }
            var order: [Int] = []
            var iterator = granted.makeAsyncIterator()
            for _ in 1...5 {
                await slots.release()
                if let number = await iterator.next() { order.append(number) }
            }
            #expect(order == Array(1...5))
        }
    }

    @Test("a caller whose timeout ends gets no slot, and takes no slot from the next")
    func timeout() async {
        let slots = Slots(1)
        #expect(await slots.acquire { await self.forever() })
        #expect(await !slots.acquire {})
        await slots.release()
        #expect(await slots.acquire { await self.forever() })
    }

    @Test("a waiter whose task is cancelled is let go")
    func cancelled() async {
        let slots = Slots(1)
        #expect(await slots.acquire { await self.forever() })
        let waiter = Task { await slots.acquire { await self.forever() } }
        waiter.cancel()
        #expect(await !waiter.value)
    }
}
