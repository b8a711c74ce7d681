public import ImageCore
public import OpenStackClient

/// What a location in a cloud keeps of an image.
public enum CloudPlace: Equatable, Sendable {
    /// An image that names the cloud's own captures, which stay where they are. Of captures from elsewhere, as `store`,
    /// in Glance's default one.
    case captures
    /// A copy of each disk, as an image in this one of Glance's stores.
    case store(String)
    /// A copy of each disk, as a volume of this type and a snapshot of it. The type says in which of Cinder's backends.
    case volumeType(String)

    /// Where images are sent; `nil`: where Glance puts them. Temporary ones, too.
    var imageStore: String? { if case .store(let id) = self { id } else { nil } }

    /// - Parameter text: `store:<id>` or `volume-type:<name>`.
    /// - Returns: `nil` for any other, and for names that no store or type can have.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, (1...255).contains(parts[1].utf8.count) else { return nil }
        switch parts[0] {
        // It becomes a header of a request.
        case "store" where parts[1].utf8.allSatisfy({ (0x21...0x7e).contains($0) }): self = .store(parts[1])
        case "volume-type" where parts[1].unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }):
            self = .volumeType(parts[1])
        default: return nil
        }
    }
}

/// What a location needs and the cloud lacks.
public struct AbsentPlace: Equatable, Sendable {
    public var location: LocationName
    /// Without a full stop.
    public var reason: String
    public var advice: String
}

extension OpenStackDriver {
    /// Every location that the cloud, as it is now, cannot keep a replica at.
    public func absentPlaces() async throws(OpenStackError) -> [AbsentPlace] {
        var absent: [AbsentPlace] = []
        for (location, place) in places.sorted(by: { $0.key < $1.key }) {
            if let found = try await absence(of: place, at: location) { absent.append(found) }
        }
        return absent
    }

    private func absence(
        of place: CloudPlace,
        at location: LocationName
    ) async throws(OpenStackError) -> AbsentPlace? {
        let (what, wanted, known): (String, String, [String])
        switch place {
        case .captures: return nil
        case .store(let id):
            guard let stores = try await cloud.imageStores() else {
                return AbsentPlace(
                    location: location,
                    reason: "Glance has one store alone, and none to choose",
                    advice: "Name the location without store:, or have the cloud's operator give Glance several."
                )
            }
            (what, wanted, known) = ("Glance has no store", id, stores)
        case .volumeType(let name):
            (what, wanted, known) = ("Cinder has no volume type", name, try await cloud.volumeTypes())
        }
        guard !known.contains(wanted) else { return nil }
        return AbsentPlace(
            location: location,
            reason: "\(what) \(PlainText.word(wanted))",
            advice: "Choose one of: \(known.sorted().map { PlainText.word($0) }.joined(separator: ", "))."
        )
    }

    /// Before anything is deleted or made: a wrong name would fail when most of the work is done.
    func requirePresent(_ place: CloudPlace, _ location: LocationName) async throws(StepFailure) {
        let found = try await asking("The location \(location)") { () async throws(OpenStackError) in
            try await absence(of: place, at: location)
        }
        guard let found else { return }
        throw StepFailure(
            .permanent,
            .failedPrecondition,
            "The location \(location): \(found.reason).",
            advice: found.advice,
            isFixedByAdvice: true
        )
    }
}
