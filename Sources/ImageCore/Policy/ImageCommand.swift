/// Which operation an image allows in which status: the whole table, and what to wait for where it does not.
extension Operation {
    /// `nil` where the operation is allowed; else a sentence for the image's owner, which follows the image's id.
    public func refusal(in status: ImageStatus) -> String? {
        switch (self, status) {
        case (.create, _): nil

        case (_, .deleted) where self != .delete: "is deleted"
        case (.describe, _): nil

        case (.cancel, .pending), (.cancel, .replicating): nil
        case (.cancel, .available), (.cancel, .error), (.cancel, .deleting), (.cancel, .deleted):
            "is \(status.rawValue); only an image being made can be cancelled"

        case (.retry, .error): nil
        case (.retry, .pending), (.retry, .replicating):
            "is \(status.rawValue), so it is being made already; wait until it is Available or Error"
        case (.retry, .available), (.retry, .deleting), (.retry, .deleted):
            "is \(status.rawValue); only an image in Error can be tried again"

        // Deleted is let through for the snapshots its owner kept; `Image.refusal` says whether there are any.
        case (.delete, .available), (.delete, .error), (.delete, .deleted): nil
        case (.delete, .pending), (.delete, .replicating):
            "is \(status.rawValue); wait until it is Available or Error, or cancel it first"
        case (.delete, .deleting): "is being deleted already"

        case (.share, .available), (.unshare, .available), (.convert, .available), (.prove, .available),
            (.launch, .available):
            nil
        case (.share, .pending), (.share, .replicating), (.unshare, .pending), (.unshare, .replicating),
            (.convert, .pending), (.convert, .replicating), (.prove, .pending), (.prove, .replicating),
            (.launch, .pending), (.launch, .replicating):
            "is \(status.rawValue); wait until it is Available"
        case (.share, .error), (.unshare, .error), (.convert, .error), (.prove, .error), (.launch, .error):
            "is Error; only an Available image can be shared, converted, proven or launched from. Try it again, or make a new one"
        case (.share, .deleting), (.unshare, .deleting), (.convert, .deleting), (.prove, .deleting),
            (.launch, .deleting):
            "is being deleted"
        case (.share, .deleted), (.unshare, .deleted), (.convert, .deleted), (.prove, .deleted), (.launch, .deleted):
            "is deleted"
        }
    }
}

/// What an operation wants of an image, beside the status it needs.
public enum ImageCommand: Equatable, Sendable {
    case describe
    case cancel
    case retry
    /// - Parameters:
    ///   - snapshots: whether its snapshots go too.
    ///   - gone: instances launched from it that are known to exist no more.
    case delete(snapshots: Bool, gone: Set<InstanceID>)
    case share([Owner])
    case unshare([Owner])
    case convert(ImageID)
    /// Of the replica at a location.
    case prove(LocationName)
    case launch(Launch)

    public var operation: Operation {
        switch self {
        case .describe: .describe
        case .cancel: .cancel
        case .retry: .retry
        case .delete: .delete
        case .share: .share
        case .unshare: .unshare
        case .convert: .convert
        case .prove: .prove
        case .launch: .launch
        }
    }
}

extension Image {
    /// Whether `owner` may know that the image exists.
    public func isVisible(to owner: Owner, for operation: Operation) -> Bool {
        switch operation {
        case .launch, .describe: self.owner == owner || references.sharedWith.contains(owner)
        case .create, .cancel, .retry, .delete, .share, .unshare, .convert, .prove: self.owner == owner
        }
    }

    /// Why the image's status does not allow an operation; `nil` when it does.
    public func refusal(of operation: Operation) -> Rejection? { operation.refusal(in: status).map { unready($0) } }

    /// Why a command is refused; `nil` when it can.
    ///
    /// Another owner's image is not "forbidden" but unknown: an owner must not learn which images others have.
    public func refusal(of command: ImageCommand, by owner: Owner) -> Rejection? {
        let operation = command.operation
        guard isVisible(to: owner, for: operation) else { return .noImage(id) }
        // A gone image counts as missing for every operation, a deleted one for all but delete and describe.
        if isGone || status == .deleted && operation != .delete && operation != .describe { return .noImage(id) }
        if let refusal = refusal(of: operation) { return refusal }
        switch command {
        case .describe, .cancel, .retry: return nil
        case .delete(let snapshots, let gone): return refusalOfDeletion(snapshots: snapshots, gone: gone)
        case .share(let owners):
            if owners.contains(self.owner) {
                return Rejection(.invalidArgument, "\(self.owner) owns image \(id)", field: "with")
            }
            let all = Set(references.sharedWith).union(owners).count
            guard all <= References.shareLimit else {
                return Rejection(
                    .outOfRange,
                    "image \(id) would be shared with \(all) owners; at most \(References.shareLimit) can have it",
                    field: "with"
                )
            }
            return nil
        case .unshare(let owners):
            guard let stranger = owners.first(where: { !references.sharedWith.contains($0) }) else { return nil }
            return Rejection(.notFound, "image \(id) is not shared with \(stranger)", field: "with")
        case .convert: return refusalOfConversion
        case .prove(let location): return refusalOfProof(at: location)
        case .launch(let launch): return refusal(of: launch)
        }
    }

    /// The location that a request is about: the one it names, or the first that has the image.
    public func location(named: LocationName?) throws(Rejection) -> LocationName {
        guard let location = named ?? replicas.first?.location else { throw unready("has no replica yet") }
        return location
    }

    /// Where a launch is from, and what the new instance is called.
    /// - Parameter id: the one that the request asks for, or one that was made up.
    public func place(
        of request: LaunchRequest,
        as id: InstanceID,
        among drivers: DriverList
    ) throws(Rejection) -> (location: LocationName, instance: InstanceID) {
        var named = request.location
        if named == nil, let driver = id.driver {
            named = replicas.first { ($0.resource.driver ?? drivers.first) == driver }?.location
        }
        let location = try location(named: named)
        return (location, try drivers.whole(id, launchedBy: plan.driver(of: location)))
    }

    /// Where a proof is made that a request asks for. Whether one runs already is left to the command's refusal.
    /// - Parameter lanes: those of the installation.
    public func location(for request: ProveRequest, in lanes: LaneList) throws(Rejection) -> LocationName {
        guard isVisible(to: request.owner, for: .prove) else { throw .noImage(id) }
        if let refusal = refusal(of: Operation.prove) { throw refusal }
        let location = try location(named: request.location)
        if let refusal = plan.refusal(of: id, at: location, in: lanes) { throw refusal }
        return location
    }

    /// Whether nothing of it is left: for its owner, too, it does not exist any more.
    public var isGone: Bool { status == .deleted && keptSnapshots.isEmpty }

    /// What a deletion that kept the snapshots has left.
    public var keptSnapshots: [ResourceID] {
        status == .deleted ? ledger.map(\.resource.id) : []
    }

    private func refusalOfDeletion(snapshots: Bool, gone: Set<InstanceID>) -> Rejection? {
        if status == .deleted {
            guard snapshots else { return .noImage(id) }
            return references.borrowers.isEmpty
                ? nil
                : unready(
                    "is deleted, and its snapshots are used by \(Self.list(references.borrowers)); delete that first"
                )
        }
        if !references.sharedWith.isEmpty {
            return unready("is shared with \(Self.list(references.sharedWith)); unshare it first")
        }
        if let conversion = references.conversion {
            return unready("is being converted into \(conversion); wait until that has ended, or cancel it")
        }
        let running = references.launches.filter { jobs[.launch($0.instanceID)]?.phase == .waiting }
        if !running.isEmpty {
            return unready("is being launched as \(Self.list(running.map(\.instanceID))); wait until that has ended")
        }
        let existing = references.launches.map(\.instanceID).filter { !gone.contains($0) }
        if plan.systemDisk.kind == .local, !existing.isEmpty {
            return unready(
                "is on local disks, and instances launched from it exist: \(Self.list(existing)); delete them first"
            )
        }
        return nil
    }

    private var refusalOfConversion: Rejection? {
        guard plan.systemDisk.kind == .local else {
            return unready("has a cloud system disk already")
        }
        if let conversion = references.conversion {
            return unready("is being converted into \(conversion) already; wait until that has ended")
        }
        return nil
    }

    private func refusalOfProof(at location: LocationName) -> Rejection? {
        if let refusal = refusal(ofReplicaAt: location) { return refusal }
        guard let running = openProof?.0.location else { return nil }
        return unready("is being proven at \(running) already; wait until that has ended")
    }

    private func refusal(ofReplicaAt location: LocationName) -> Rejection? {
        guard !replicas.contains(where: { $0.location == location }) else { return nil }
        return Rejection(
            .notFound,
            "image \(id) has no replica at \(location); it is at \(Self.list(replicas.map(\.location)))",
            field: "location"
        )
    }

    private func refusal(of launch: Launch) -> Rejection? {
        if let refusal = refusal(ofReplicaAt: launch.location) { return refusal }
        guard !isLaunching(launch.instanceID) else { return .instanceExists(launch.instanceID) }
        guard references.launches.count < Self.launchLimit else {
            return unready("has \(Self.launchLimit) launches on record; convert it, or make a new image")
        }
        return nil
    }

    /// What one document may come to hold.
    private static let launchLimit = 1_000

    private func unready(_ sentence: String) -> Rejection {
        Rejection(.failedPrecondition, "image \(id) \(sentence)", field: "imageId")
    }

    private static func list(_ items: [some CustomStringConvertible]) -> String {
        items.prefix(5).map(\.description).joined(separator: ", ") + (items.count > 5 ? ", …" : "")
    }
}

extension Rejection {
    /// The one answer for an image that does not exist and for another owner's.
    public static func noImage(_ id: ImageID) -> Rejection {
        Rejection(.notFound, "there is no image \(id)", field: "imageId")
    }
}

extension ImageCommand {
    /// What granting it does to the image; `nil` for one that only looks.
    public var event: Event? {
        switch self {
        case .describe: nil
        case .cancel: .cancelled
        case .retry: .retried
        case .delete(let snapshots, _): .deletionConfirmed(snapshots: snapshots)
        case .share(let owners): .shared(owners)
        case .unshare(let owners): .unshared(owners)
        case .convert(let image): .converting(into: image)
        case .prove(let location): .proving(at: location)
        case .launch(let launch): .launching(launch)
        }
    }
}

extension Rejection {
    /// The id that a launch asks for is taken.
    public static func instanceExists(_ id: InstanceID) -> Rejection {
        Rejection(
            .conflict,
            "there is an instance \(id) already, or it is being launched; choose another id",
            field: "instanceId"
        )
    }
}
