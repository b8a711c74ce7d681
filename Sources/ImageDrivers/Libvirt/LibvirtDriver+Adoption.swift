public import ImageCore
import LibvirtClient

extension LibvirtDriver {
    /// Writes an owner into a domain's metadata. Other metadata is kept.
    public func adopt(_ id: InstanceID, by owner: Owner) async throws(StepFailure) {
        let record = try await lookUp(id)
        let xml = try DomainInstance.description(record, of: id)
        // libvirt declares the namespace with a prefix of its own choice, for what has none.
        var element = XMLElement("instance")
        for attribute in xml.metadata(DomainInstance.namespace)?.attributes ?? []
        where !attribute.name.hasPrefix("xmlns") {
            element[attribute.name] = attribute.value
        }
        element["owner"] = owner.text
        element.nodes = (xml.metadata(DomainInstance.namespace)?.elements ?? []).map { disk in
            var disk = disk
            disk.name = disk.name.split(separator: ":").last.map { String($0) } ?? disk.name
            return .element(disk)
        }
        let document = element.document
        try await ask("change the metadata of \(id)") { host throws(LibvirtError) in
            try host.setMetadata(
                document,
                namespace: DomainInstance.namespace,
                prefix: DomainInstance.prefix,
                ofDomain: record.uuid
            )
        }
    }
}
