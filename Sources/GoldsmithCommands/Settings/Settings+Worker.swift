import Foundation
import ImageCore
import ImageWorker

/// Settings of a worker.
extension Settings {
    func workerOptions() async throws(CommandFailure) -> WorkerOptions {
        var options = WorkerOptions(id: WorkerID.ofThisProcess)
        options.identity = WorkerIdentity(host: WorkerID.host, processID: getpid(), version: Goldsmith.version)
        options.installation = LaneList(hosts: try await hosts())
        options.drivers = try await driverNames()
        options.host = try await host()
        options.lanes = try await lanes(of: options.host, in: options.installation)
        options.concurrency = try await wholeNumber(.concurrency, in: 1...1000, default: 4)
        // A delivery may wait this long twice, for its slot and for its work, and ten minutes for a store that is away;
        // a broker's delivery timeout is 30 minutes.
        options.hold = .milliseconds(Int64(try await number(.hold, in: 0.1...300, default: 60) * 1000))
        options.lease = .milliseconds(Int64(try await number(.lease, in: 2...3600, default: 15) * 1000))
        options.renewEvery = min(options.lease / 4, .seconds(1))
        options.drain = try await drain()
        options.orphansEvery = .milliseconds(
            Int64(try await number(.orphansEvery, in: 1...86_400, default: 600) * 1000)
        )
        options.bootProof = try await bootPolicy()
        options.policy.attempts = try await wholeNumber(.attempts, in: 1...100, default: 6)
        options.authority = try await authority()
        options.retention = .seconds(86_400 * (try await number(.retention, in: 1...36_500, default: 365)))
        return options
    }

    /// The host that the worker is on; `nil` when it is on none.
    func host() async throws(CommandFailure) -> HostName? {
        let known = try await hosts()
        let host: HostName? = try await parsed(.host, default: nil, wanted: "a host (\(HostName.sentence))") { text in
            HostName(text).map { Optional($0) }
        }
        guard let host, !known.contains(host) else { return host }
        let key: SettingKey = try await libvirtHosts() == nil ? .hosts : .libvirtHosts
        throw CommandFailure(
            .usage,
            "host \(host) is not among the hosts: \(known.isEmpty ? "none" : known.map(\.text).joined(separator: ", "))",
            advice: "name it in \(key.environmentName), for every worker and for `topology apply` alike"
        )
    }

    private func lanes(of host: HostName?, in installation: LaneList) async throws(CommandFailure) -> [Lane] {
        let standard = LaneList.served(on: host)
        let lanes = try await parsed(
            .steps,
            default: standard,
            wanted: "a list out of \(installation.all.map(\.description).joined(separator: ", "))"
        ) { text in
            let lanes = text.split(separator: ",").map { Lane($0.trimmingCharacters(in: .whitespaces)) }
            guard !lanes.isEmpty, lanes.allSatisfy({ $0.map { installation.all.contains($0) } == true }) else {
                return nil
            }
            return lanes.compactMap { $0 }
        }
        guard let foreign = lanes.first(where: { $0.host != nil && $0.host != host }) else { return lanes }
        throw CommandFailure(
            .usage,
            "setting steps (\(SettingKey.steps.environmentName)): the lane \(foreign) is served on its host only",
            advice: "set \(SettingKey.host.environmentName) to \(foreign.host?.text ?? "") on a worker there"
        )
    }

    /// What holds for requests that say nothing of a boot proof.
    func bootPolicy() async throws(CommandFailure) -> BootPolicy {
        let modes = BootProof.allCases.map(\.rawValue).joined(separator: ", ")
        let mode: BootProof? = try await parsed(.bootProof, default: nil, wanted: "one of \(modes)") { word in
            BootProof(rawValue: word).map { Optional($0) }
        }
        let ends = UnprovenBoot.allCases.map(\.rawValue).joined(separator: ", ")
        let unproven = try await parsed(.bootProofUnproven, default: .error, wanted: "one of \(ends)") { word in
            UnprovenBoot(rawValue: word)
        }
        return BootPolicy(mode: mode, unproven: unproven)
    }

    /// Where spans go; `nil` when nothing is traced.
    func spanReceiver() async throws(CommandFailure) -> OTLPReceiver? {
        let headers = try await text(.otlpHeaders)
        let receiver = try await parsed(.otlpEndpoint, default: nil, wanted: OTLPReceiver.sentence) {
            OTLPReceiver($0, headers: nil)
        }
        guard receiver != nil, let headers, let endpoint = try await text(.otlpEndpoint) else { return receiver }
        // They are not repeated: they may hold a password.
        guard let receiver = OTLPReceiver(endpoint, headers: headers) else {
            throw CommandFailure(
                .usage,
                "setting otlpHeaders (\(SettingKey.otlpHeaders.environmentName)) must be name=value,name=value, each value "
                    + "percent-encoded"
            )
        }
        return receiver
    }

    /// Which part of the traces that begin here is kept.
    func spanRatio() async throws(CommandFailure) -> Double {
        try await number(.otlpSampleRatio, in: 0...1, default: 1)
    }

    /// How long running work may go on after a request to stop.
    /// - Parameter standard: what it is unless it is set. A worker's is long enough for copies of real disks.
    func drain(default standard: Duration = WorkerOptions.standardDrain) async throws(CommandFailure) -> Duration {
        .milliseconds(Int64(try await number(.drain, in: 0...86_400, default: standard / .seconds(1)) * 1000))
    }

    /// Who may ask for which owners. Default: no one, because on a shared broker everyone would be too many.
    func authority() async throws(CommandFailure) -> Authority {
        try await parsed(
            .upstreams,
            default: .users([:]),
            wanted: "'*', or a list like 'web=acct-42,acct-43;ops=*'"
        ) { Authority($0) }
    }

    /// As it was set, to be handed to workers; `nil` when it was not.
    func upstreams() async throws(CommandFailure) -> String? {
        _ = try await authority()
        return try await text(.upstreams)
    }
}
