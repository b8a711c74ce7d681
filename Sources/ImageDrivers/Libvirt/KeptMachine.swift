import ImageCore
import LibvirtClient

/// The machine that an image was made of: what is kept beside its system disk, in the capture, in a snapshot it is
/// converted to, and in each replica.
///
/// ```
/// machine.xml    its hardware (`MachineSheet`)
/// nvram.fd       the variables of its UEFI firmware: boot entries, keys for Secure Boot. Absent with a BIOS, and for a
///                machine that was never started
/// ```
package enum MachineFile: String, CaseIterable {
    case sheet = "machine.xml"
    case firmwareVariables = "nvram.fd"

    /// In bytes. QEMU's own files of variables have 64 MiB at most (64-bit Arm), 528 KiB on x86.
    var largest: Int {
        switch self {
        case .sheet: 4 << 20
        case .firmwareVariables: 64 << 20
        }
    }
}

extension LocalDriver {
    func keepMachine(of domain: DomainInstance, beside resource: Resource) throws(StepFailure) {
        let folder = try folders.folder(of: resource)
        let sheet = MachineSheet(of: domain.xml).bytes
        try filing(at: .storage) { () throws(FileFailure) in
            try FileCalls.writeAtomically(sheet, to: folder + "/" + MachineFile.sheet.rawValue)
        }
        guard let path = domain.firmwareVariables else { return }
        let bytes = try filing(at: .disk(.system, domain.id)) { () throws(FileFailure) in
            try Self.read(.firmwareVariables, at: path)
        }
        guard let bytes else { return }
        try filing(at: .storage) { () throws(FileFailure) in
            try FileCalls.writeAtomically(bytes, to: folder + "/" + MachineFile.firmwareVariables.rawValue)
        }
    }

    /// Other drivers keep none.
    func copyMachine(from capture: Capture, to folder: String, _ subject: FailureSubject) throws(StepFailure) {
        let source = try folders.folder(of: capture.resource)
        for file in MachineFile.allCases { try copy(file, from: source, to: folder, .storage, subject) }
    }

    func copyFirmwareVariables(of replica: Replica, to folder: String) throws(StepFailure) {
        let source = try folders.folder(of: replica.resource)
        try copy(.firmwareVariables, from: source, to: folder, .location(replica.location), .storage)
    }

    func machine(of replica: Replica) throws(StepFailure) -> MachineSheet {
        let path = try folders.folder(of: replica.resource) + "/" + MachineFile.sheet.rawValue
        let bytes = try filing(at: .location(replica.location)) { () throws(FileFailure) in
            try Self.read(.sheet, at: path)
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

    /// Does nothing when there is no such file.
    private func copy(
        _ file: MachineFile,
        from source: String,
        to folder: String,
        _ origin: FailureSubject,
        _ target: FailureSubject
    ) throws(StepFailure) {
        let bytes = try filing(at: origin) { () throws(FileFailure) in
            try Self.read(file, at: source + "/" + file.rawValue)
        }
        guard let bytes else { return }
        try filing(at: target) { () throws(FileFailure) in
            try FileCalls.writeAtomically(bytes, to: folder + "/" + file.rawValue)
        }
    }

    /// - Returns: `nil` when there is no such file.
    static func read(_ file: MachineFile, at path: String) throws(FileFailure) -> [UInt8]? {
        guard try FileCalls.status(path) != nil else { return nil }
        return try FileCalls.read(path, limit: file.largest)
    }
}
