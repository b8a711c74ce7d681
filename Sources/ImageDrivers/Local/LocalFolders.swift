import ImageCore

/// Where everything of the local driver lies.
///
/// ```
/// <root>/instances/<id>/instance.json, vda.qcow2, …
/// <root>/images/<resource>/vda.qcow2        captured local system disks
/// <root>/snapshots/<resource>/vdb.qcow2     snapshots of cloud disks
/// <root>/instances/.launches/<resource>/…   instances that are being launched
/// <location>/<resource>/vda.qcow2, …, manifest.json
/// ```
/// Each of these folders may be a mount of its own, or a link to one: what is put in place by a rename is made in the
/// folder in which it is put in place. A file that is being made ends in `.partial`. Identifiers obey `IdentifierRule`,
/// so each is one path component.
struct LocalFolders: Sendable {
    var root: String
    var locations: [LocationName: String]

    static let partialSuffix = ".partial"
    /// A copy that is still being sealed.
    static let unsealedSuffix = ".unsealed"
    static let manifestName = "manifest.json"

    var instances: String { root + "/instances" }
    func instance(_ id: InstanceID) -> String { instances + "/" + id.text }
    func instanceFile(_ id: InstanceID) -> String { instance(id) + "/instance.json" }

    var images: String { root + "/images" }
    var snapshots: String { root + "/snapshots" }
    /// Beside the instances, so that one can be put in place by a rename wherever they lie. No instance has its name:
    /// an identifier does not begin with a dot.
    var launches: String { instances + "/.launches" }
    /// Where earlier versions put them together. What such a version left there is still published, or deleted.
    var earlierLaunches: String { root + "/launches" }

    static func fileName(_ device: DeviceName) -> String { device.shortName + ".qcow2" }

    func location(_ name: LocationName?) throws(StepFailure) -> String {
        guard let name else {
            throw StepFailure(.permanent, .invalidArgument, "A replica without a location cannot be placed.")
        }
        guard let folder = locations[name] else {
            throw StepFailure(
                .permanent,
                .notFound,
                "There is no location \(name).",
                advice: "Choose one of: \(locations.keys.sorted().map(\.text).joined(separator: ", "))."
            )
        }
        return folder
    }

    func folder(of resource: Resource) throws(StepFailure) -> String {
        switch resource.kind {
        case .imageFile: images + "/" + resource.id.text
        case .snapshot: snapshots + "/" + resource.id.text
        case .instance: launches + "/" + resource.id.text
        case .replica: try location(resource.location) + "/" + resource.id.text
        }
    }

    /// Where a resource may lie that an earlier version has made; `nil` for kinds that have always lain where they lie.
    func earlierFolder(of resource: Resource) -> String? {
        switch resource.kind {
        case .instance: earlierLaunches + "/" + resource.id.text
        case .imageFile, .snapshot, .replica: nil
        }
    }

    /// The folder that holds all resources of the same kind and place.
    func directory(of resource: Resource) throws(StepFailure) -> String {
        FileCalls.folder(of: try folder(of: resource))
    }

    func file(of capture: Capture) throws(StepFailure) -> String {
        try folder(of: capture.resource) + "/" + Self.fileName(capture.device)
    }
}
