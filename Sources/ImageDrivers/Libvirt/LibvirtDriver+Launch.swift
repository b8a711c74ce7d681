public import ImageCore
import LibvirtClient

extension LibvirtDriver {
    public func launch(_ call: LaunchCall) async throws(StepFailure) {
        let (launch, resource) = (call.launch, call.resource)
        let folder = try await local.putDisks(for: call) { () async throws(StepFailure) in
            try await launches.emptyFolder(for: resource.id)
        }
        let sheet = try local.machine(of: call.replica)
        let disks = launches.published(resource.id)
        try local.copyFirmwareVariables(of: call.replica, to: folder)
        let domain = sheet.domain(
            for: launch,
            uuid: Self.uuid(of: resource.id),
            launchedFrom: resource.id,
            firmwareVariables: disks + "/" + MachineFile.firmwareVariables.rawValue,
            path: { disks + "/" + LocalFolders.fileName($0) }
        )
        try filing(at: .storage) { () throws(FileFailure) in
            try FileCalls.writeAtomically(
                Array(domain.document.utf8),
                to: folder + "/" + LaunchFolders.descriptionName
            )
            try FileCalls.sync(folder)
        }
    }

    public func publishInstance(_ launch: Launch, from resource: Resource) async throws(StepFailure) {
        if try await isPublished(launch, from: resource) { return try launches.forgetDescription(of: resource.id) }
        try launches.publish(resource.id)
        let isDefined = try await launches.withDescription(of: resource.id) { xml throws(StepFailure) in
            // Longer than a look: libvirt may first have to ask QEMU what it can.
            try await ask("define a domain", within: .seconds(60)) { host throws(LibvirtError) in try host.define(xml) }
        }
        guard isDefined else { throw .notBuilt(launch.instanceID) }
        guard try await isPublished(launch, from: resource) else { throw .notBuilt(launch.instanceID) }
        try launches.forgetDescription(of: resource.id)
    }

    /// - Throws: `CONFLICT` when another domain has the name.
    private func isPublished(_ launch: Launch, from resource: Resource) async throws(StepFailure) -> Bool {
        let name = launch.instanceID.text
        let named = try await ask("look up a domain") { host throws(LibvirtError) in try host.domain(named: name) }
        guard let named else { return false }
        guard named.uuid == Self.uuid(of: resource.id) else { throw .exists(launch.instanceID) }
        return true
    }

    public func rollBackLaunch(_ resource: Resource) async throws(StepFailure) {
        // First what a late publisher would put in place.
        try await launches.delete(resource.id)
        let uuid = Self.uuid(of: resource.id)
        // Held until all is gone: a concurrent publisher comes first, or finds nothing.
        let hold = try launches.lockDescription(of: resource.id)
        let record = try await ask("look up a domain") { host throws(LibvirtError) in try host.domain(uuid: uuid) }
        if let record {
            guard record.state == .shutOff else {
                throw StepFailure(
                    .transient,
                    .failedPrecondition,
                    "Domain \(PlainText.sentence(record.name)) of a failed launch was started.",
                    advice: "Shut it down.",
                    isFixedByAdvice: true
                )
            }
            try await ask("undefine a domain", within: .seconds(60)) { host throws(LibvirtError) in
                try host.undefine(uuid: uuid)
            }
        }
        try await launches.deletePublished(resource.id)
        withExtendedLifetime(hold) {}
    }

    /// Shows what a domain was launched from.
    static func uuid(of resource: ResourceID) -> String {
        DerivedUUID.text(of: "urn:goldsmith:launch:\(resource.text)")
    }
}
