import GoldsmithTestSupport
import ImageCore
import Synchronization
import Testing

@testable import ImageWorker

@Suite("Requests for one instance are answered in their order", .timeLimit(.minutes(10)))
struct TurnsTests {
    @Test("what has one key comes one after the other in the order of joining, whichever is ready first")
    func order() async {
        let turns = Turns()
        let joined = (0..<50).map { ($0, turns.join($0 % 2 == 0 ? "i-a" : "i-b")) }
        let record = Record()
        await withTaskGroup(of: Void.self) { group in
            for (number, turn) in joined.reversed() {
                group.addTask {
                    #expect(await turn.come { try? await ManualTime().sleep(for: .seconds(1)) })
                    let key = number % 2 == 0 ? "i-a" : "i-b"
                    #expect(record.inside.withLock { $0.insert(key).inserted }, "two at once")
                    await Task.yield()
                    record.order.withLock { $0.append(number) }
                    record.inside.withLock { _ = $0.remove(key) }
                    turn.end()
                }
            }
            await group.waitForAll()
        }
        let ended = record.order.withLock { $0 }
        for rest in 0...1 {
            let ofOne = ended.filter { $0 % 2 == rest }
            #expect(ofOne == ofOne.sorted())
        }
        #expect(ended.count == 50 && turns.isEmpty, "nothing is kept of an instance without requests")
    }

    @Test("one that waits too long goes on without its place, and the others keep theirs")
    func timeout() async {
        let turns = Turns()
        let (first, second, third) = (turns.join("i"), turns.join("i"), turns.join("i"))
        #expect(await !second.come {})
        let waiting = Task { await third.come { try? await ManualTime().sleep(for: .seconds(1)) } }
        #expect(await first.come {})
        first.end()
        #expect(await waiting.value)
        third.end()
        #expect(turns.isEmpty)
    }

    @Test("only the creation of an image has a place in an instance's line, and only where it names one")
    func keys() {
        func key(_ operation: String, _ body: String, _ drivers: DriverList = DriverList()) -> String? {
            IncomingMessage(routingKey: operation, body: Array(body.utf8)).orderKey(among: drivers)
        }
        #expect(key("image.create", #"{"instanceId":"i-web1","name":"a"}"#) == "i-web1")
        #expect(key("image.create", #"{"name":"a"}"#) == nil)
        #expect(key("image.create", #"{"instanceId":7}"#) == nil)
        #expect(key("image.create", "no JSON") == nil)
        #expect(key("image.delete", #"{"instanceId":"i-web1"}"#) == nil)
        // One instance, however it is named.
        let one = DriverList([DriverName(known: "kvm")])
        #expect(key("image.create", #"{"instanceId":"i-web1"}"#, one) == "kvm/i-web1")
        #expect(key("image.create", #"{"instanceId":"kvm/i-web1"}"#, one) == "kvm/i-web1")
    }

    @Test("images of one instance are accepted in the order asked for, though many requests are answered at once")
    func accepted() async throws {
        let rig = try await Rig()
        try await rig.store.setQuota(of: Owner(known: "acct-1"), to: QuotaLimits(images: 100, snapshots: 100))
        let worker = rig.worker(adjust: { $0.concurrency = 16 })
        for number in 1...12 { rig.request(id: "r\(number)", ["name": .string("n\(number)")]) }
        let (stream, deliveries) = AsyncStream<any IncomingDelivery>.makeStream()
        while let delivery = rig.broker.take(.intake, by: worker.name) { deliveries.yield(delivery) }
        let body = WorkerBody(worker.context, inspector: rig.broker)
        let serving = Task { await body.serve(.intake, stream) }
        // A lane that ends gives back what has not begun.
        #expect(await eventually(within: .seconds(300)) { rig.broker.replies.count == 12 })
        deliveries.finish()
        await serving.value
        #expect(rig.broker.replies.map(\.correlationID) == (1...12).map { "corr-r\($0)" })
        #expect(try rig.answers().allSatisfy { $0.status == .accepted })
    }

    private final class Record: Sendable {
        let order = Mutex<[Int]>([])
        let inside = Mutex<Set<String>>([])
    }
}
