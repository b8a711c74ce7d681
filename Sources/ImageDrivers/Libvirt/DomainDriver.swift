package import ImageCore

/// A driver whose instances are libvirt's domains, of one host or of several.
package protocol DomainDriver: PeerDriver {
    /// Makes the folders that it writes into.
    func makeFolders() throws(StepFailure)

    /// Writes an owner into a domain's metadata. Other metadata is kept.
    func adopt(_ id: InstanceID, by owner: Owner) async throws(StepFailure)
}

extension LibvirtDriver: DomainDriver {}
extension LibvirtSite: DomainDriver {}
