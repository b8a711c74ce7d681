import GoldsmithTestSupport
import ImageCore
import Subprocess
import SystemPackage

@testable import OpenStackClient

/// What goes wrong in a round, once snapshots are being made.
enum CloudFault: CaseIterable {
    /// The quota is all that is too little.
    case none
    case glanceStops
    case volumesKilled
    /// Each service gets one token that it does not know.
    case wrongToken
    /// Each service does one request that changes something, and its answer is lost.
    case lostAnswers
}

/// What the operator of the private cloud does to it.
struct CloudOperator: Sendable {
    let folder: String

    func callAsFunction(_ arguments: String...) async throws {
        let result = try await Subprocess.run(
            .path(FilePath(folder + "/operate")),
            arguments: .init(arguments),
            output: .discarded,
            error: .string(limit: 65_536)
        )
        guard result.terminationStatus.isSuccess else {
            throw ConformanceFailure("operate \(arguments): \(result.standardError)")
        }
    }
}

/// The way to the cloud's services, which can lose answers.
final class CloudWay: Sendable {
    private let compute, volumes, images: FaultProxy
    let cloud: OpenStackCloud

    init(_ access: CloudAccess) throws {
        (compute, volumes, images) = (try FaultProxy(to: 8774), try FaultProxy(to: 8776), try FaultProxy(to: 9292))
        var access = access
        access.addresses = [
            .compute: "http://127.0.0.1:\(compute.port)/v2.1",
            .volumes: "http://127.0.0.1:\(volumes.port)/v3/%(project_id)s",
            .images: "http://127.0.0.1:\(images.port)/v2",
        ]
        cloud = OpenStackCloud(access)
    }

    /// How many faults came about.
    var faults: Int { [compute, volumes, images].reduce(0) { $0 + $1.cuts } }

    func add(_ fault: CloudFault, project: String) {
        switch fault {
        case .none, .glanceStops, .volumesKilled: break
        case .wrongToken:
            // Keystone's tokens begin with gAAAA.
            for proxy in [compute, volumes, images] {
                proxy.change(Array("X-Auth-Token: g".utf8), to: Array("X-Auth-Token: h".utf8))
            }
        case .lostAnswers:
            volumes.loseAnswer(to: Array("POST /v3/\(project)/snapshots".utf8))
            images.loseAnswer(to: Array("POST /v2/images".utf8))
            images.loseAnswer(to: Array("PUT /v2/images".utf8))
            compute.loseAnswer(to: Array("/action HTTP".utf8))
        }
    }
}

/// What was counted in all rounds of one way to make images.
struct FaultCount: CustomStringConvertible {
    var requests = 0
    var made = 0
    var refused = 0
    /// Requests that came to no end, or to two.
    var unended = 0
    /// Snapshots and images that no image made accounts for.
    var orphans = 0
    var roundsWithOrphans = 0
    /// Images that were seen active while a snapshot of theirs was not available.
    var early = 0
    var stuckVolumes = 0
    /// Rounds after which the server was still locked.
    var locked = 0
    /// Snapshots that Cinder forgot in its own fall: it makes them no more, and lets nobody but its operator touch them.
    var forgotten = 0
    var faults: [CloudFault: Int] = [:]

    /// One line.
    var description: String {
        let faults = CloudFault.allCases.map { "\($0) \(self.faults[$0] ?? 0)" }.joined(separator: ", ")
        return
            "\(requests) requests, \(made) made, \(refused) refused, \(unended) without one end, \(orphans) orphans in "
            + "\(roundsWithOrphans) rounds, \(early) active too early, \(stuckVolumes) volumes stuck, \(locked) left locked, \(forgotten) forgotten by Cinder; "
            + faults
    }
}

/// Looks all the time whether an image is active too early, and does what an operator must do after a fall of Cinder.
actor EarlyWatch {
    private let cloud: OpenStackCloud
    private let operate: CloudOperator
    private var early: Set<String> = []
    /// Since when a snapshot is being made.
    private var begun: [String: ContinuousClock.Instant] = [:]
    private(set) var forgotten: Set<String> = []

    init(_ cloud: OpenStackCloud, _ operate: CloudOperator) { (self.cloud, self.operate) = (cloud, operate) }

    var count: Int { early.count }

    /// Until its task is cancelled. While a service is away, it sees nothing.
    func run() async {
        while !Task.isCancelled {
            try? await look()
            try? await failForgotten()
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    /// A snapshot takes a second here.
    private func failForgotten() async throws {
        let now = ContinuousClock.now
        let making = try await cloud.snapshots(with: [:]).filter { $0.status == "creating" }.map(\.id)
        begun = Dictionary(uniqueKeysWithValues: making.map { ($0, begun[$0] ?? now) })
        for (snapshot, since) in begun where now - since > .seconds(45) {
            forgotten.insert(snapshot)
            try await operate("fail", snapshot)
        }
    }

    func look() async throws {
        let images = try await cloud.images(with: [:]).filter { $0.status == "active" }
        // Read after the images: what was active then must be available now, for good.
        let snapshots = try await cloud.snapshots(with: [:])
        let sound = Set(snapshots.filter { $0.status == "available" }.map(\.id))
        for image in images {
            let named = image.properties["block_device_mapping"].map(Self.snapshots(in:)) ?? []
            guard !sound.isSuperset(of: named) else { continue }
            // Its deletion goes on: then its snapshots may go too.
            guard let now = try? await cloud.image(image.id), now.status == "active" else { continue }
            early.insert(image.id)
        }
    }

    /// The ids in Nova's `block_device_mapping`.
    static func snapshots(in mapping: String) -> [String] {
        struct Entry: Decodable { var snapshot_id: String? }
        let entries = try? JSONText.decode([Entry].self, from: Array(mapping.utf8))
        return entries?.compactMap(\.snapshot_id) ?? []
    }
}
