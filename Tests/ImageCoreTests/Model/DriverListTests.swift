import Testing

@testable import ImageCore

@Suite("An instance id says which of several drivers it belongs to")
struct DriverListTests {
    private static let (kvm, cloud) = (DriverName(known: "kvm"), DriverName(known: "cloud"))
    private static let several = DriverList([kvm, cloud])

    @Test("an id is a name, or a driver's name, a slash and a name")
    func texts() throws {
        let id = try #require(InstanceID("cloud/web1"))
        #expect(id.driver == Self.cloud && id.name == InstanceID(known: "web1"))
        #expect(
            id.name.of(Self.kvm).text == "kvm/web1" && id.of(Self.kvm).text == "kvm/web1" && id.of(nil).text == "web1"
        )
        let plain = try #require(InstanceID("web1"))
        #expect(plain.driver == nil && plain.name == plain)
        #expect(Job("launch:cloud/web1") == .launch(id) && Job.launch(id).description == "launch:cloud/web1")
        let longest = String(repeating: "a", count: 63)
        #expect(InstanceID("\(longest)/\(longest)") != nil)
    }

    @Test(
        "what is no id is refused",
        arguments: [
            "", "/", "/web1", "cloud/", "a/b/c", "Cloud/web1", "../web1", "cloud/..", "cloud/-rf", "cloud//web1",
        ]
    )
    func malformed(text: String) { #expect(InstanceID(text) == nil) }

    private func refusal(_ body: () throws(Rejection) -> InstanceID) -> Rejection? {
        do throws(Rejection) { _ = try body() } catch { return error }
        return nil
    }

    @Test("with one driver an id needs no name of it, and with several it does")
    func whole() throws {
        let (web1, inCloud) = (InstanceID(known: "web1"), InstanceID(known: "cloud/web1"))
        #expect(try DriverList().whole(web1) == web1)
        #expect(try DriverList([Self.cloud]).whole(web1) == inCloud)
        #expect(try DriverList([Self.cloud]).whole(inCloud) == inCloud)
        #expect(try Self.several.whole(inCloud) == inCloud)
        let unclear = refusal { () throws(Rejection) in try Self.several.whole(web1) }
        #expect(unclear?.code == .invalidArgument && unclear?.field == "instanceId")
        #expect(unclear?.message.contains("write kvm/web1, or cloud/web1") == true)
    }

    @Test("an unknown driver is not found, and the known ones are named")
    func unknown() {
        let lab = InstanceID(known: "lab/web1")
        let refused = refusal { () throws(Rejection) in try Self.several.whole(lab) }
        #expect(refused?.code == .notFound && refused?.field == "instanceId")
        #expect(refused?.message == "there is no driver lab; known are kvm, cloud")
        let alone = refusal { () throws(Rejection) in try DriverList().whole(lab) }
        #expect(alone?.code == .invalidArgument && alone?.message.contains("has one driver") == true)
    }

    @Test("a launched instance belongs to its location's driver, whether its id says so or not")
    func launched() throws {
        let (web2, inCloud) = (InstanceID(known: "web2"), InstanceID(known: "cloud/web2"))
        #expect(try Self.several.whole(web2, launchedBy: Self.cloud) == inCloud)
        #expect(try Self.several.whole(inCloud, launchedBy: Self.cloud) == inCloud)
        #expect(try Self.several.whole(web2, launchedBy: nil).text == "kvm/web2")
        #expect(try DriverList().whole(web2, launchedBy: nil) == web2)
        let wrong = refusal { () throws(Rejection) in try Self.several.whole(inCloud, launchedBy: Self.kvm) }
        #expect(wrong?.code == .failedPrecondition && wrong?.field == "instanceId")
    }

    // MARK: Plans

    private static func plan(
        of id: String,
        to wanted: [String]? = nil,
        known: [Location]
    ) -> Result<Plan, Rejection> {
        var request = Sample.request
        (request.dataDisks, request.replicateTo) = (.all, wanted?.map { LocationName(known: $0) })
        let disks = [0, 1].map { Disk(device: Sample.device($0), kind: $0 == 0 ? .local : .cloud, sizeBytes: 8 << 30) }
        let instance = Instance(id: InstanceID(known: id), owner: Sample.owner, status: .stopped, disks: disks)
        return Result { () throws(Rejection) in
            try Plan.make(for: request, instance: instance, knownLocations: known)
        }
    }

    private static var places: [Location] {
        var glance = Location(LocationName(known: "glance"), of: cloud)
        glance.closedTo = [kvm: "it takes no files"]
        return [
            Location(LocationName(known: "east"), of: kvm), glance, Location(LocationName(known: "vault"), of: cloud),
        ]
    }

    @Test("an image goes to its own driver's locations, and to another's when it is asked for")
    func locations() throws {
        let own = try Self.plan(of: "kvm/web1", known: Self.places).get()
        #expect(own.locations.map(\.text) == ["east"] && own.instanceID.text == "kvm/web1")
        #expect(own.lockKeys.first == "instance/kvm/web1")
        let both = try Self.plan(of: "kvm/web1", to: ["east", "vault"], known: Self.places).get()
        var life = Life(plan: both)
        #expect(life.image.resource(for: .systemDisk, fence: 1)?.driver == Self.kvm)
        #expect(life.image.resource(for: .replicate(both.locations[0]), fence: 1)?.driver == Self.kvm)
        #expect(life.image.resource(for: .replicate(both.locations[1]), fence: 1)?.driver == Self.cloud)
        life.runToItsEnd()
        #expect(
            life.image.status == .available && life.image.replicas.map(\.resource.driver) == [Self.kvm, Self.cloud]
        )
        let text = CanonicalJSON.text(life.image)
        #expect(try CanonicalJSON.decode(Image.self, from: text.utf8) == life.image)

        let request = LaunchRequest(requestID: RequestID(known: "r9"), owner: Sample.owner, imageID: life.image.id)
        func place(_ id: String, at location: String? = nil) throws(Rejection) -> String {
            var request = request
            request.location = location.map { LocationName(known: $0) }
            let place = try life.image.place(of: request, as: InstanceID(known: id), among: Self.several)
            return "\(place.instance) at \(place.location)"
        }
        #expect(try place("web2") == "kvm/web2 at east")
        #expect(try place("cloud/web2") == "cloud/web2 at vault")
        #expect(try place("web2", at: "vault") == "cloud/web2 at vault")
        #expect(throws: Rejection.self) { try place("kvm/web2", at: "vault") }
    }

    @Test("a location that cannot take the driver's images is refused, with the reason and the field")
    func closed() {
        guard case .failure(let refused) = Self.plan(of: "kvm/web1", to: ["east", "glance"], known: Self.places) else {
            Issue.record("not refused")
            return
        }
        #expect(refused.code == .failedPrecondition && refused.field == "replicateTo[1]")
        #expect(refused.message == "location glance takes no image of driver kvm: it takes no files")
        guard case .failure(let none) = Self.plan(of: "lab/web1", known: Self.places) else {
            Issue.record("not refused")
            return
        }
        #expect(none.message == "there is no location of driver lab to replicate to")
    }
}
