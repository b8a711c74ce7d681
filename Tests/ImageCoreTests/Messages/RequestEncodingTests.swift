import Testing

@testable import ImageCore

/// What encodes a request and what parses it know the same fields.
struct RequestEncodingTests {
    @Test("Whatever a request says is the same after it was encoded and parsed", arguments: Operation.allCases)
    func roundTrip(_ operation: Operation) throws {
        for seed in 0..<UInt64(300) {
            var random = RandomRequest(seed: seed)
            let request = random.request(operation)
            let parsed = try Request.parse(
                operation,
                contentType: "application/json",
                messageID: nil,
                body: request.encoded
            )
            #expect(parsed == request, "seed \(seed)")
        }
    }

    @Test("What was typed is encoded as it is, for the parser to refuse")
    func unjudged() {
        let fields = LaunchRequest.fields(
            imageID: "img-1",
            instanceID: "a b",
            location: nil,
            dataDisks: [],
            newDisks: [LaunchRequest.NewDisk.value(sizeGiB: .string("large"))],
            dryRun: false
        )
        let body = Request.encode(fields, owner: "acct-1", requestID: "r1")
        #expect(
            String(decoding: body, as: UTF8.self)
                == #"{"dataDisks":[],"imageId":"img-1","instanceId":"a b","newDisks":[{"sizeGiB":"large"}],"#
                + #""owner":"acct-1","requestId":"r1"}"#
        )
        let refused = #expect(throws: UnusableRequest.self) {
            try Request.parse(.launch, contentType: "application/json", messageID: nil, body: body)
        }
        #expect(refused?.rejection.field == "instanceId")
    }
}

/// Requests with any of their fields there or not.
private struct RandomRequest {
    private var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    mutating func request(_ operation: Operation) -> Request {
        switch operation {
        case .create: .create(create())
        case .cancel: .cancel(onImage())
        case .retry: .retry(onImage())
        case .delete:
            .delete(
                DeleteRequest(requestID: id(), owner: id(), imageID: id(), deleteSnapshots: random.chance(50))
            )
        case .share: .share(sharing())
        case .unshare: .unshare(sharing())
        case .convert:
            .convert(ConvertRequest(requestID: id(), owner: id(), imageID: id(), name: maybe { $0.name() }))
        case .prove:
            .prove(ProveRequest(requestID: id(), owner: id(), imageID: id(), location: maybe { $0.id() }))
        case .describe: .describe(describe())
        case .launch: .launch(launch())
        }
    }

    private mutating func create() -> CreateRequest {
        CreateRequest(
            requestID: id(),
            owner: id(),
            instanceID: id(),
            name: name(),
            details: text(256),
            dataDisks: random.chance(30)
                ? .all
                : .chosen(
                    devices().map { device in
                        .init(device: device, sizeGiB: maybe { $0.size() }, autoDelete: maybe { $0.flag() })
                    }
                ),
            replicateTo: maybe { $0.different(1...64) },
            guestChecks: GuestChecks.allCases.randomElement(using: &random) ?? .warn,
            bootProof: maybe { BootProof.allCases.randomElement(using: &$0.random) ?? .report },
            seal: maybe { $0.seal() },
            secretScan: maybe { SecretScan.allCases.randomElement(using: &$0.random) ?? .report },
            labels: labels(),
            dryRun: maybe { _ in true }
        )
    }

    private mutating func seal() -> [SealItem] {
        let chosen = SealItem.allCases.filter { _ in random.chance(70) }
        return chosen.isEmpty ? [.dhcp] : chosen
    }

    private mutating func onImage() -> ImageRequest { ImageRequest(requestID: id(), owner: id(), imageID: id()) }

    private mutating func sharing() -> ShareRequest {
        ShareRequest(requestID: id(), owner: id(), imageID: id(), with: different(1...64))
    }

    private mutating func describe() -> DescribeRequest {
        var request = DescribeRequest(requestID: id(), owner: id())
        guard random.chance(60) else {
            request.imageID = id()
            request.history = maybe { $0.flag() }
            let line = Int64.random(in: 1..<1_000_000_000_000_000_000, using: &random)
            if request.history == true { request.page = maybe { _ in .history(after: line) } }
            return request
        }
        request.status = maybe { ImageStatus.allCases.randomElement(using: &$0.random) ?? .available }
        request.name = maybe { $0.name() }
        request.instanceID = maybe { $0.id() }
        let labels = labels()
        request.labels = labels.isEmpty ? nil : labels
        request.shared = maybe { $0.flag() }
        request.limit = maybe { Int.random(in: 1...100, using: &$0.random) }
        let page = "\(Int64.random(in: 0..<(1 << 60), using: &random))-\(id() as ImageID)"
        request.page = maybe { _ in Page(page) } ?? nil
        return request
    }

    private mutating func launch() -> LaunchRequest {
        LaunchRequest(
            requestID: id(),
            owner: id(),
            imageID: id(),
            instanceID: maybe { $0.id() },
            location: maybe { $0.id() },
            dataDisks: devices().map { device in
                .init(
                    device: device,
                    sizeGiB: maybe { $0.size() },
                    autoDelete: maybe { $0.flag() },
                    leaveOut: maybe { $0.flag() }
                )
            },
            newDisks: (0..<Int.random(in: 0...5, using: &random)).map { _ in
                .init(sizeGiB: size(), autoDelete: maybe { $0.flag() })
            },
            dryRun: maybe { _ in true }
        )
    }

    private mutating func maybe<Value>(_ make: (inout RandomRequest) -> Value) -> Value? {
        random.chance(50) ? make(&self) : nil
    }

    private mutating func flag() -> Bool { random.chance(50) }

    private mutating func size() -> Int { Int.random(in: CreateRequest.sizesGiB, using: &random) }

    private mutating func devices() -> [DeviceName] {
        (1...DeviceName.lastPosition).shuffled(using: &random).prefix(Int.random(in: 0...64, using: &random))
            .compactMap { DeviceName(position: $0) }
    }

    private mutating func word(_ alphabet: String, _ lengths: ClosedRange<Int>) -> String {
        let letters = Array(alphabet)
        let length = Int.random(in: lengths, using: &random)
        return String((0..<length).map { _ in letters[Int.random(in: letters.indices, using: &random)] })
    }

    private mutating func id<ID: Identifier>() -> ID { ID(known: word("abcxyzAZ", 1...1) + word("az09_-", 0...62)) }

    private mutating func different<ID: Identifier>(_ counts: ClosedRange<Int>) -> [ID] {
        (0..<Int.random(in: counts, using: &random)).map { number in ID(known: "\(word("az09", 1...20))-\(number)") }
    }

    private mutating func name() -> String { word("abZ09_-.äß漢дé", 2...32) }

    private mutating func text(_ limit: Int) -> String { word("ab \"\\/\n{}[]:,ü漢🙂", 0...limit) }

    private mutating func labels() -> [String: String] {
        var labels: [String: String] = [:]
        for _ in 0..<Int.random(in: 0...8, using: &random) {
            labels[word("abz09", 1...20)] = word("ab \"\\/{}ü漢", 0...63)
        }
        return labels
    }
}
