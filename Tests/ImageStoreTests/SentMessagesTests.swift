import ImageCore
import Synchronization
import Testing

@testable import ImageStore

@Suite("Messages that are sent leave the outbox together", .timeLimit(.minutes(30)))
struct SentMessagesTests {
    @Test("each caller's keys are deleted once before it returns, and those who wait share")
    func together() async throws {
        let sent = SentMessages()
        let record = Record()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask {
                    try await sent.add(["\(number)", "\(number)'"]) { (keys) async throws(StoreError) in
                        await Task.yield()
                        record.deletions.withLock { $0.append(keys) }
                    }
                    #expect(record.deletions.withLock { $0.joined().contains("\(number)") })
                }
            }
            try await group.waitForAll()
        }
        let all = record.deletions.withLock { $0 }
        #expect(all.joined().sorted() == (0..<200).flatMap { ["\($0)", "\($0)'"] }.sorted())
        #expect(all.count < 200, "\(all.count) deletions")
    }

    @Test("a failure reaches every caller whose keys were in the deletion, and no other")
    func failing() async throws {
        let sent = SentMessages()
        let failures = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<100 {
                group.addTask {
                    do throws(StoreError) {
                        try await sent.add(["\(number)"]) { (keys) async throws(StoreError) in
                            await Task.yield()
                            if keys.contains("7") { throw StoreError(.unavailable, "away") }
                        }
                        return number == 7
                    } catch {
                        return false
                    }
                }
            }
            return await group.reduce(into: 0) { count, isWrong in if isWrong { count += 1 } }
        }
        #expect(failures == 0)
        try await sent.add(["later"]) { _ in }
    }

    private final class Record: Sendable {
        let deletions = Mutex<[[String]]>([])
    }
}
