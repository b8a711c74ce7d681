import Foundation
import GoldsmithTestSupport
import ImageCore

/// What a request must be answered.
enum Expectation: Equatable, Sendable {
    case accepted
    case refused(ErrorCode)
    /// Which of the two depends on what else happens.
    case acceptedOrRefused(ErrorCode)

    func allows(_ answer: Answer) -> Bool {
        switch self {
        case .accepted: answer.status == .accepted
        case .refused(let code): answer.rejection?.code == code
        case .acceptedOrRefused(let code): answer.status == .accepted || answer.rejection?.code == code
        }
    }
}

/// One request that an upstream will make.
struct Ask: Sendable {
    /// The installation's prefix, which names the queues it goes to.
    var prefix: String
    var owner: String
    var requestID: String
    var operation = "image.create"
    var body: String
    var expectation: Expectation
    /// Whether it is sent a second time under the same id, as by an upstream that has forgotten that it asked.
    var isSentTwice = false
    /// How long after the answer its image is cancelled; `nil` for never.
    var cancelAfter: Duration?

    /// Tells its answers from all others.
    var correlation: String { "\(prefix)/\(owner)/\(requestID)" }

    func cancellation(of image: String) -> Ask {
        Ask(
            prefix: prefix,
            owner: owner,
            requestID: requestID + "-cancel",
            operation: "image.cancel",
            body: #"{"requestId":"\#(requestID)-cancel","owner":"\#(owner)","imageId":"\#(image)"}"#,
            // It may have ended before.
            expectation: .acceptedOrRefused(.failedPrecondition)
        )
    }
}

/// Makes up what is asked for: mostly what can be done, some that is refused, some that is cancelled or asked twice.
struct AskSource {
    private var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    /// Of simulated instances: any number, each its own, five an owner, which is what an owner may have.
    mutating func bulk(_ number: Int) -> Ask {
        let kind = Int.random(in: 0..<100, using: &generator)
        // One owner asks for more than an owner may have.
        let owner = kind < 3 ? "greedy" : "acct\(number / 5)"
        let instance = kind == 3 ? "i-unknown-\(number)" : "i-sim-\(owner)-\(number)"
        let typo = kind == 4 ? #","replicateTwo":["east"]"# : ""
        let locations = Bool.random(using: &generator) ? #"["east"]"# : #"["east","west"]"#
        let expectation: Expectation =
            switch kind {
            case 0..<3: .acceptedOrRefused(.quotaExceeded)
            case 3: .refused(.notFound)
            case 4: .refused(.invalidArgument)
            default: .accepted
            }
        return ask("bulk", owner, number, instance, locations, more: typo, expectation)
    }

    /// Of instances with real disks, of which there are a few: their makings wait for each other.
    mutating func real(_ number: Int, instances: Int) -> Ask {
        let instance = "i-real\(number % instances)"
        // The second location is the small one that fills up.
        let locations = number % 3 == 0 ? #"["east","west"]"# : #"["east"]"#
        // Its owner may have started it.
        return ask("real", "real", number, instance, locations, more: "", .acceptedOrRefused(.failedPrecondition))
    }

    private mutating func ask(
        _ prefix: String,
        _ owner: String,
        _ number: Int,
        _ instance: String,
        _ locations: String,
        more: String,
        _ expectation: Expectation
    ) -> Ask {
        let disks = Int.random(in: 0..<3, using: &generator) == 0 ? "[]" : #""all""#
        var ask = Ask(
            prefix: prefix,
            owner: owner,
            requestID: "r\(number)",
            body: #"{"requestId":"r\#(number)","owner":"\#(owner)","instanceId":"\#(instance)","#
                + #""name":"golden-\#(number)","dataDisks":\#(disks),"replicateTo":\#(locations)\#(more)}"#,
            expectation: expectation
        )
        ask.isSentTwice = Int.random(in: 0..<20, using: &generator) == 0
        if Int.random(in: 0..<20, using: &generator) == 0 {
            ask.cancelAfter = .milliseconds(Int.random(in: 0..<4000, using: &generator))
        }
        return ask
    }
}
