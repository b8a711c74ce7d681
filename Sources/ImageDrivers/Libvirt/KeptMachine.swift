import ImageCore
import LibvirtClient

/// The hardware of an image's source machine, kept beside its system disk: in the capture, in a snapshot it is
/// converted to, and in each replica.
extension LocalDriver {
    static let largestMachine = 4 << 20

    func keepMachine(_ sheet: MachineSheet, beside resource: Resource) throws(StepFailure) {
        let path = try folders.folder(of: resource) + "/" + MachineSheet.fileName
        try filing(at: .storage) { () throws(FileFailure) in try FileCalls.writeAtomically(sheet.bytes, to: path) }
    }

    /// Other drivers keep none.
    func copyMachine(from capture: Capture, to folder: String, _ subject: FailureSubject) throws(StepFailure) {
        let source = try folders.folder(of: capture.resource) + "/" + MachineSheet.fileName
        let bytes: [UInt8]? = try filing(at: .storage) { () throws(FileFailure) in
            guard try FileCalls.status(source) != nil else { return nil }
            return try FileCalls.read(source, limit: Self.largestMachine)
        }
        guard let bytes else { return }
        try filing(at: subject) { () throws(FileFailure) in
            try FileCalls.writeAtomically(bytes, to: folder + "/" + MachineSheet.fileName)
        }
    }

    func machine(of replica: Replica) throws(StepFailure) -> MachineSheet {
        let path = try folders.folder(of: replica.resource) + "/" + MachineSheet.fileName
        let bytes: [UInt8]? = try filing(at: .location(replica.location)) { () throws(FileFailure) in
            guard try FileCalls.status(path) != nil else { return nil }
            return try FileCalls.read(path, limit: Self.largestMachine)
        }
        guard let bytes else {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "The image at location \(replica.location) says nothing of the machine it was made of.",
                advice:
                    "Launch an image that was made of a libvirt domain; its disks can be used with virt-install --import."
            )
        }
        do throws(XMLProblem) {
            return try MachineSheet(bytes)
        } catch {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "What the image at location \(replica.location) says of its machine cannot be read: \(error.message).",
                advice: "Launch from another location, and make the image anew."
            )
        }
    }
}
