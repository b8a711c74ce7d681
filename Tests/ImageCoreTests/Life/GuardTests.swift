import Testing

@testable import ImageCore

/// Which operation an image allows, in which status, and to whom.
struct GuardTests {
    /// The whole table. What is not here is refused.
    private static let allowed: [Operation: Set<ImageStatus>] = [
        .create: Set(ImageStatus.allCases),
        .describe: [.pending, .replicating, .available, .error, .deleting],
        .cancel: [.pending, .replicating],
        .retry: [.error],
        .delete: [.available, .error, .deleted],
        .share: [.available],
        .unshare: [.available],
        .convert: [.available],
        .prove: [.available],
        .launch: [.available],
    ]

    @Test("An operation is allowed in just these statuses", arguments: Operation.allCases, ImageStatus.allCases)
    func table(operation: Operation, status: ImageStatus) {
        let isAllowed = Self.allowed[operation, default: []].contains(status)
        #expect((operation.refusal(in: status) == nil) == isAllowed)
    }

    @Test(
        "While an image is made, what needs a whole one is refused with what to wait for",
        arguments: [Operation.share, .launch, .delete, .convert, .prove],
        [ImageStatus.pending, .replicating]
    )
    func sentence(operation: Operation, status: ImageStatus) {
        let sentence = operation.refusal(in: status) ?? ""
        #expect(sentence.contains("wait until it is Available"), "\(sentence)")
        #expect(sentence.contains(status.rawValue))
    }

    @Test("The refusal of an image names its id, FAILED_PRECONDITION and the field")
    func rejection() {
        let image = Sample.accepted().image
        let refusal = image.refusal(of: .share([Owner(known: "acct-7")]), by: Sample.owner)
        #expect(refusal?.code == .failedPrecondition)
        #expect(refusal?.field == "imageId")
        #expect(refusal?.message.contains("\(image.id) is Pending; wait until it is Available") == true)
    }

    @Test("Somebody else's image does not exist, whatever is wanted of it", arguments: Operation.allCases)
    func strangers(operation: Operation) {
        let image = Life.available().image
        #expect(!image.isVisible(to: Owner(known: "acct-9"), for: operation))
        if let command = Life.command(operation, of: image, by: "acct-9") {
            #expect(image.refusal(of: command, by: Owner(known: "acct-9")) == .noImage(image.id))
        }
    }

    @Test("Those an image is shared with may describe it and launch from it, and nothing else")
    func receivers() {
        var life = Life.available()
        let receiver = Owner(known: "acct-7")
        life.apply(.shared([receiver]))
        for operation in Operation.allCases {
            guard let command = Life.command(operation, of: life.image, by: receiver.text) else { continue }
            let refusal = life.image.refusal(of: command, by: receiver)
            switch operation {
            case .describe, .launch: #expect(refusal == nil, "\(operation)")
            default: #expect(refusal == .noImage(life.image.id), "\(operation)")
            }
        }
    }

    @Test("An image can be shared with so many owners and no more, and not with its own")
    func limit() {
        var life = Life.available()
        let ten = (1...10).map { Owner(known: "acct-1\($0)") }
        #expect(life.refusal(.share(ten)) == nil)
        life.apply(.shared(ten))
        #expect(life.refusal(.share([ten[3]])) == nil, "once more is no more")
        #expect(life.refusal(.share([Owner(known: "acct-20")]))?.code == .outOfRange)
        #expect(life.refusal(.share([Sample.owner]))?.code == .invalidArgument)
        #expect(life.refusal(.unshare([Owner(known: "acct-20")]))?.code == .notFound)
    }

    @Test("An image is not deleted while it is shared, converted, launched, or its instances exist")
    func deletion() {
        let command = ImageCommand.delete(snapshots: true, gone: [])
        var life = Life.available()
        #expect(life.refusal(command) == nil)
        life.apply(.shared([Owner(known: "acct-7")]))
        #expect(life.refusal(command)?.message.contains("shared with acct-7; unshare it first") == true)
        life.apply(.unshared([Owner(known: "acct-7")]))
        life.apply(.converting(into: ImageID(known: "img-2")))
        #expect(life.refusal(command)?.message.contains("converted into img-2") == true)
        #expect(life.refusal(.convert(ImageID(known: "img-3")))?.code == .failedPrecondition, "not twice at once")
        life.apply(.conversionEnded(ImageID(known: "img-2"), succeeded: true))
        #expect(life.refusal(command) == nil)
        let launch = life.launch("i-new1")
        life.apply(.launching(launch))
        #expect(life.refusal(command)?.message.contains("being launched as i-new1") == true)
        for _ in 0..<2 { life.run(.launch(launch.instanceID)) }
        #expect(life.refusal(command)?.message.contains("instances launched from it exist: i-new1") == true)
        #expect(life.refusal(.delete(snapshots: true, gone: [launch.instanceID])) == nil)
    }

    @Test("An image on cloud disks may be deleted whatever was launched from it, and is not converted")
    func cloud() {
        var life = Life.available(systemDisk: .cloud)
        life.apply(.launching(life.launch("i-new1")))
        for _ in 0..<2 { life.run(.launch(InstanceID(known: "i-new1"))) }
        #expect(life.refusal(.delete(snapshots: false, gone: [])) == nil)
        #expect(life.refusal(.convert(ImageID(known: "img-2")))?.message.contains("cloud system disk already") == true)
    }

    @Test(
        "Who may ask for whom is read from its setting, or is not",
        arguments: [
            ("*", "anyone", "acct-1", true), ("", "anyone", "acct-1", false), ("web=acct-1", "web", "acct-1", true),
            ("web=acct-1", "web", "acct-2", false), ("web=acct-1", "ops", "acct-1", false),
            ("web=acct-1,acct-2; ops=*", "web", "acct-2", true), ("web=acct-1;ops=*", "ops", "acct-9", true),
            (" web = acct-1 , acct-2 ", "web", "acct-2", true),
        ]
    )
    func authority(text: String, user: String, owner: String, isAllowed: Bool) throws {
        let authority = try #require(Authority(text))
        let refusal = authority.refusal(of: user, for: Owner(known: owner))
        #expect((refusal == nil) == isAllowed)
        #expect(refusal == nil || refusal?.code == .permissionDenied && refusal?.field == "user_id")
        #expect((authority.refusal(of: nil, for: Owner(known: owner)) == nil) == (text == "*"))
    }

    @Test(
        "What maps nobody to anybody is no setting",
        arguments: ["web", "=acct-1", "web=", "web=a.b", "web=acct-1;web=acct-2", "web=*,acct-1", "web=acct 1"]
    )
    func noAuthority(text: String) { #expect(Authority(text) == nil) }
}
