import Glibc
import ImageCore
import LibvirtClient
import Synchronization

/// The mark that keeps a domain from being started while a block device of it is captured.
///
/// It runs out by itself, so a worker that dies leaves nothing that lasts, and is renewed while the capture runs. The
/// capture counts only if the mark was there, and had not run out, from before the first look until after the last.
final class StartMark: Sendable {
    /// How long it holds without being renewed, and how often it is. A libvirt that is away in between is waited for.
    static let holds: Int = 60
    static let renewal = Duration.seconds(10)
    private static let retry = Duration.seconds(1)

    private let driver: LibvirtDriver
    private let uuid: String
    private let target: String
    private let resource: ResourceID
    private let state = Mutex(State())

    private struct State {
        var until = 0
        var trouble: StepFailure?
    }

    init(_ driver: LibvirtDriver, _ domain: DomainInstance, _ disk: DomainDisk, for resource: Resource) {
        self.driver = driver
        (uuid, target, self.resource) = (domain.record.uuid, disk.target, resource.id)
    }

    private var namespace: String { StartHook.namespace + target }
    private static var now: Int { time(nil) }

    /// Sets it, or sets it anew.
    func write() async throws(StepFailure) {
        let until = Self.now + Self.holds
        let element = XMLElement("capture", ["resource": resource.text, "until": String(until)]).document
        let (uuid, namespace, prefix) = (uuid, namespace, "capture-\(target)")
        try await driver.ask("mark a domain") { host throws(LibvirtError) in
            try host.setMetadata(element, namespace: namespace, prefix: prefix, ofDomain: uuid)
        }
        state.withLock { $0.until = until }
    }

    /// Renews it until it is cancelled, or has been broken.
    func keep() async {
        var pause = Self.renewal
        while (try? await Task.sleep(for: pause)) != nil {
            do throws(StepFailure) {
                try await requireUnbroken()
                try await write()
                pause = Self.renewal
            } catch {
                guard error.code != .cancelled, state.withLock({ $0.trouble }) == nil else { return }
                pause = Self.retry
            }
        }
    }

    /// - Throws: when it has run out, or somebody has taken it away, at any time: the domain may have been started.
    func requireUnbroken() async throws(StepFailure) {
        if let trouble = state.withLock({ $0.trouble }) { throw trouble }
        guard Self.now < state.withLock({ $0.until }) else { throw broken("could not be renewed in time") }
        let uuid = uuid
        let record = try await driver.ask("look up a domain") { host throws(LibvirtError) in try host.domain(uuid: uuid)
        }
        guard let record, let xml = try? DomainXML(record.xml), xml.metadata(namespace)?["resource"] == resource.text
        else { throw broken("was taken away") }
    }

    private func broken(_ what: String) -> StepFailure {
        let failure = StepFailure(
            .transient,
            .failedPrecondition,
            "The mark \(what) that keeps the instance from being started while its block device \(target) is captured.",
            advice: "Leave the domain's metadata alone until its disks are captured."
        )
        state.withLock { if $0.trouble == nil { $0.trouble = failure } }
        return failure
    }

    /// Whatever goes wrong here ends by itself when the mark runs out.
    func remove() async {
        let (uuid, namespace, driver) = (uuid, namespace, driver)
        // Unstructured on purpose: a capture that is cancelled gives its instance back at once, too.
        await Task {
            _ = try? await driver.ask("take a mark off a domain") { host throws(LibvirtError) in
                try host.setMetadata(nil, namespace: namespace, prefix: "", ofDomain: uuid)
            }
        }.value
    }
}

extension LibvirtDriver {
    /// Keeps a domain from being started over a block device, and says whether it was kept from it all the time.
    /// - Parameter body: asks the mark after its last look at the disk whether it was unbroken.
    func keepingFromStart<Value: Sendable>(
        _ domain: DomainInstance,
        _ disk: DomainDisk,
        for resource: Resource,
        _ body: (StartMark) async throws(StepFailure) -> Value
    ) async throws(StepFailure) -> Value {
        try await requireStartHook()
        let mark = StartMark(self, domain, disk, for: resource)
        try await mark.write()
        let result: Result<Value, StepFailure> = await withTaskGroup(of: Void.self) {
            group -> Result<Value, StepFailure> in
            group.addTask { await mark.keep() }
            let result: Result<Value, StepFailure>
            do throws(StepFailure) { result = .success(try await body(mark)) } catch { result = .failure(error) }
            // None is written after it is removed.
            group.cancelAll()
            await group.waitForAll()
            return result
        }
        await mark.remove()
        return try result.get()
    }

    /// - Throws: when this host's libvirt would start a domain that carries a mark.
    func requireStartHook() async throws(StepFailure) {
        guard try await StartHook.isInForce(on: host) else {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "A block device is captured only where the host's libvirt asks Goldsmith before it starts a domain.",
                advice: "Run `goldsmith hook install` on the host, or leave the disk out of the image.",
                isFixedByAdvice: true
            )
        }
    }
}
