import CRabbitMQ
import GoldsmithTestSupport
import Testing

@testable import AMQPClient

@Suite("Pure pieces")
struct PureTests {
    private typealias Ledger = ConfirmLedger<Int>

    @Test("confirms settle what they name, one by one, out of order and in groups")
    func ledger() {
        var ledger = Ledger()
        for number in 1...10 { ledger.sent(publication(to: "q", "\(number)"), number) }
        #expect(ledger.confirm(3, isMultiple: false, isAccepted: true).map(\.0) == [3])
        #expect(ledger.confirm(3, isMultiple: false, isAccepted: true).isEmpty)
        #expect(ledger.confirm(5, isMultiple: true, isAccepted: false).map(\.0) == [1, 2, 4, 5])
        #expect(ledger.confirm(2, isMultiple: true, isAccepted: true).isEmpty)
        #expect(ledger.confirm(11, isMultiple: true, isAccepted: true).isEmpty)
        #expect(ledger.confirm(0, isMultiple: false, isAccepted: true).isEmpty)
        #expect(ledger.count == 5)
        ledger.sent(publication(to: "q"), 11)
        #expect(ledger.confirm(0, isMultiple: true, isAccepted: true).map(\.0) == [6, 7, 8, 9, 10, 11])
        #expect(ledger.isEmpty)
        ledger.sent(publication(to: "q"), 12)
        #expect(ledger.reset() == [12])
        ledger.sent(publication(to: "q"), 13)
        #expect(ledger.confirm(1, isMultiple: false, isAccepted: true).map(\.0) == [13])
    }

    @Test("random confirms settle every entry once, in a window of any size")
    func randomConfirms() {
        for seed in 0..<200 as Range<UInt64> {
            var generator = Seeded(state: seed)
            var ledger = Ledger()
            var (sent, open) = (0, Set<Int>())
            for _ in 0..<3000 {
                if Bool.random(using: &generator) || sent == 0 {
                    sent += 1
                    open.insert(sent)
                    ledger.sent(publication(to: "q"), sent)
                    continue
                }
                let tag = Int.random(in: max(1, sent - 50)...sent, using: &generator)
                let isMultiple = Int.random(in: 0..<4, using: &generator) == 0
                let expected = isMultiple ? open.filter { $0 <= tag } : open.intersection([tag])
                let settled = ledger.confirm(UInt64(tag), isMultiple: isMultiple, isAccepted: true).map(\.0)
                #expect(settled == expected.sorted(), "seed \(seed)")
                open.subtract(expected)
                #expect(ledger.count == open.count, "seed \(seed)")
                let oldest = ledger.expire { $0 < sent - 20 }
                #expect(oldest == open.filter { $0 >= sent - 20 }.min(), "seed \(seed)")
            }
            #expect(ledger.reset() == open.sorted(), "seed \(seed)")
        }
    }

    @Test("a returned message is found by what it is")
    func returned() {
        var ledger = Ledger()
        var optional = publication(to: "q", "a")
        optional.isMandatory = false
        ledger.sent(optional, 1)
        ledger.sent(publication(to: "q", "a", id: "1"), 2)
        ledger.sent(publication(to: "q", "a", id: "2"), 3)
        ledger.sent(publication(to: "q", "a", id: "2"), 4)
        let message = publication(to: "q", "a", id: "2").message
        ledger.returned(ReceivedMessage(exchange: "", routingKey: "q", message: message), code: 312, text: "NO_ROUTE")
        ledger.returned(ReceivedMessage(exchange: "x", routingKey: "q", message: message), code: 312, text: "NO_ROUTE")
        let outcomes = ledger.confirm(4, isMultiple: true, isAccepted: true).map(\.1)
        #expect(outcomes == [.accepted, .accepted, .unroutable(code: 312, text: "NO_ROUTE"), .accepted])
    }

    @Test("waits grow, never exceed the limit, and are jittered by at most half")
    func backoff() {
        var generator = Seeded(state: 7)
        var backoff = Backoff(start: .milliseconds(200), limit: .seconds(10))
        for attempt in 0..<20 {
            let nominal = min(Duration.milliseconds(200) * (1 << attempt), .seconds(10))
            let wait = backoff.next(using: &generator)
            #expect(wait >= nominal / 2 && wait <= nominal)
        }
        backoff.reset()
        #expect(backoff.next(using: &generator) <= .milliseconds(200))
    }

    @Test("the queue keeps its order")
    func fifo() {
        var generator = Seeded(state: 3)
        var (fifo, model) = (FIFO<Int>(), [Int]())
        for number in 0..<20_000 {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<5:
                fifo.append(number)
                model.append(number)
            case 9:
                fifo.prepend(contentsOf: [number, -number])
                model.insert(contentsOf: [number, -number], at: 0)
            default:
                #expect(fifo.popFirst() == (model.isEmpty ? nil : model.removeFirst()))
            }
            #expect(fifo.count == model.count && fifo.first == model.first)
        }
        #expect(fifo.removeAll() == model)
        #expect(fifo.isEmpty)
    }

    @Test("only errors which may pass by themselves are worth a retry")
    func retriable() {
        #expect(AMQPError(.connectionLost, "").isRetriable)
        #expect(AMQPError(.rejectedByBroker, "").isRetriable)
        #expect(AMQPError(.channelClosed, code: 541, "").isRetriable)
        #expect(!AMQPError(.channelClosed, code: 404, "").isRetriable)
        #expect(!AMQPError(.unroutable, code: 312, "").isRetriable)
        #expect(AMQPError(.channelClosed, code: 404, "no queue").description == "channelClosed (404): no queue")
    }

    @Test("properties that are not UTF-8 are received so that they can be sent again")
    func shortStrings() {
        for byte in [0xFF, 0x80, 0xC3] as [UInt8] {
            var bytes = [UInt8](repeating: byte, count: 255)
            let text = bytes.withUnsafeMutableBytes {
                String(short: amqp_bytes_t(len: $0.count, bytes: $0.baseAddress))
            }
            #expect((250...255).contains(text.utf8.count))
            #expect(text.unicodeScalars.allSatisfy { $0 == "\u{FFFD}" })
        }
    }

    @Test("durations become timeouts without becoming zero or for ever")
    func timeouts() {
        #expect(milliseconds(until: nil) == -1)
        #expect(milliseconds(until: .now - .seconds(1)) == 0)
        #expect((1...12).contains(milliseconds(until: .now + .milliseconds(10))))
        #expect(milliseconds(until: .now + .seconds(10_000_000)) > 0)
    }
}

struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
