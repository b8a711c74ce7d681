import Glibc
public import ImageCore
import LibvirtClient
import Logging

/// What is kept of a proof beside a replica's manifest.
enum BootFile {
    static let console = "boot-console.txt"
    static let picture = "boot-screen.png"
    /// In bytes; a text screen takes some ten thousand.
    static let largestPicture = 2 << 20
}

extension LocalDriver {
    public func proveBoot(of replica: Replica) async throws(StepFailure) -> BootObservation {
        guard let prover else {
            throw StepFailure(
                .permanent,
                .failedPrecondition,
                "This worker starts no machines.",
                advice: "Let a worker that does serve the step boot-proof."
            )
        }
        if let obstacle = prover.obstacle {
            throw StepFailure(
                .transient,
                .unavailable,
                "No machine can be started: \(obstacle).",
                advice: "Install qemu-system-x86 there, or let only workers that have it serve the step boot-proof.",
                isFixedByAdvice: true
            )
        }
        let subject = FailureSubject.location(replica.location)
        let folder = try folders.folder(of: replica.resource)
        guard try filing(at: subject, { () throws(FileFailure) in try FileCalls.status(folder) })?.kind == .folder
        else { throw .notThere(subject) }
        do throws(ChildFailure) {
            let scratch = try ScratchPlace(in: prover.workplace)
            let (machine, files) = try await machine(for: replica, in: folder, scratch.path + "/m", prover)
            let (run, console) = try await prover.run(machine, over: files)
            var kept: [String] = []
            if keep(console.text, as: BootFile.console, in: folder) { kept.append(BootFile.console) }
            if run.hasPicture, let picture = Self.picture(machine.picture),
                keep(picture, as: BootFile.picture, in: folder)
            {
                kept.append(BootFile.picture)
            }
            return BootObservation(
                end: run.end,
                sign: run.sign,
                isFromScreen: run.isFromScreen ? true : nil,
                milliseconds: run.milliseconds,
                isEmulated: run.isEmulated,
                firmware: machine.firmware.kind,
                console: console.excerpt,
                files: kept
            )
        } catch {
            if error.kind == .cancelled { throw .interrupted("The boot proof") }
            logger.notice(
                "no machine for a boot proof",
                metadata: ["replica": "\(replica.resource.id)", "said": "\(error.text)", "end": "\(error.kind)"]
            )
            throw StepFailure(
                .transient,
                .unavailable,
                "The machine for the boot proof could not be started.",
                advice: "See the worker's log."
            )
        }
    }

    /// Makes the layers, and all else that the machine needs.
    private func machine(
        for replica: Replica,
        in folder: String,
        _ scratch: String,
        _ prover: BootProver
    ) async throws(ChildFailure) -> (BootMachine, files: [String]) {
        let files = replica.files.sorted { $0.device < $1.device }
        guard let system = files.first, system.device.isSystem else {
            throw ChildFailure(kind: .notStarted, text: "the replica has no system disk")
        }
        let user = UnprivilegedUser.current
        do throws(FileFailure) {
            // A folder in ours: QEMU's user may enter the outer one, and neither rename nor fill it.
            try FileCalls.makeFolder(scratch)
            try FileCalls.setMode(0o711, of: FileCalls.folder(of: scratch))
        } catch {
            throw ChildFailure(kind: .notStarted, text: "\(error.call) \(error.path): \(error.reason)")
        }
        var layers: [String] = []
        for file in files {
            let node = BlockNode.qcow2(path: folder + "/" + file.name, dataFile: nil, backing: nil)
            let layer = "layer\(layers.count).qcow2"
            try await qemuImg.create(scratch + "/" + layer, sizeBytes: try await qemuImg.info(node).virtualSize)
            layers.append(layer)
        }
        let hardware = try Self.hardware(in: folder)
        let kind: BootFirmware
        if let known = hardware.firmware {
            kind = known
        } else {
            try await qemuImg.copyHead(folder + "/" + system.name, to: scratch + "/head", BootFirmware.headBytes)
            kind = BootFirmware(guessedFrom: (try? FileCalls.read(scratch + "/head", limit: 1 << 20)) ?? [])
        }
        var machine = BootMachine(scratch: scratch, layers: layers, bus: hardware.bus, firmware: .bios)
        do throws(FileFailure) {
            if kind == .uefi {
                let files = try UEFIFirmware(fitting: hardware.variables)
                let copy = scratch + "/variables.fd"
                try FileCalls.writeAtomically(files.variables, to: copy, isDurable: false)
                try user.take(copy)
                machine.firmware = .uefi(code: files.code, variables: copy)
            }
            for layer in layers { try user.take(scratch + "/" + layer) }
            try user.take(scratch)
        } catch {
            throw ChildFailure(kind: .notStarted, text: "\(error.call) \(error.path): \(error.reason)")
        }
        return (machine, files.map { folder + "/" + $0.name })
    }

    /// What a replica says of the machine that it was made of.
    private static func hardware(
        in folder: String
    ) throws(ChildFailure) -> (firmware: BootFirmware?, variables: [UInt8]?, bus: BootMachine.Bus) {
        do throws(FileFailure) {
            let variables = try read(.firmwareVariables, at: folder + "/" + MachineFile.firmwareVariables.rawValue)
            guard let bytes = try read(.sheet, at: folder + "/" + MachineFile.sheet.rawValue),
                let sheet = try? MachineSheet(bytes)
            else { return (variables == nil ? nil : .uefi, variables, .virtio) }
            guard let bus = BootMachine.Bus(rawValue: sheet.systemDiskBus) else {
                throw FileFailure("find a bus like \(PlainText.word(sheet.systemDiskBus)) for", folder, code: ENOTSUP)
            }
            return (variables != nil || sheet.hasVariables ? .uefi : .bios, variables, bus)
        } catch {
            throw ChildFailure(kind: .notStarted, text: "\(error.call) \(error.path): \(error.reason)")
        }
    }

    /// A location that cannot be written any more costs the text, not the proof.
    private func keep(_ bytes: [UInt8], as name: String, in folder: String) -> Bool {
        do throws(FileFailure) {
            // Only beside a whole copy: one that is being deleted must not come back.
            guard try FileCalls.status(folder + "/" + LocalFolders.manifestName) != nil else { return false }
            try FileCalls.writeAtomically(bytes, to: folder + "/" + name, isDurable: false)
            return true
        } catch {
            logger.notice("boot proof not kept", metadata: ["reason": "\(error.call) \(error.path): \(error.reason)"])
            return false
        }
    }

    /// QEMU wrote it, and a guest may have got the better of QEMU.
    private static func picture(_ path: String) -> [UInt8]? {
        guard let bytes = try? FileCalls.read(path, limit: BootFile.largestPicture),
            bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
        else { return nil }
        return bytes
    }
}

/// The files of a UEFI firmware, of Debian's package `ovmf`.
struct UEFIFirmware {
    var code: String
    var variables: [UInt8]

    private static let folder = "/usr/share/OVMF"
    /// Two sizes of flash memory are in use, told apart by the file of variables. Newer first.
    private static let kinds = [("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"), ("OVMF_CODE.fd", "OVMF_VARS.fd")]

    /// - Parameter kept: the machine's own variables. Without them, or with those of another firmware, it gets empty ones,
    ///   and starts what lies at the place for removable disks.
    init(fitting kept: [UInt8]?) throws(FileFailure) {
        var missing = FileFailure("read", Self.folder, code: ENOENT)
        var found: [UEFIFirmware] = []
        for (code, variables) in Self.kinds {
            do throws(FileFailure) {
                guard try FileCalls.status(Self.folder + "/" + code, followLinks: true) != nil else { continue }
                let empty = try FileCalls.read(Self.folder + "/" + variables, limit: 4 << 20)
                found.append(UEFIFirmware(code: Self.folder + "/" + code, variables: empty))
            } catch {
                missing = error
            }
        }
        guard var best = found.first(where: { $0.variables.count == kept?.count }) ?? found.first else { throw missing }
        if let kept, kept.count == best.variables.count { best.variables = kept }
        self = best
    }

    private init(code: String, variables: [UInt8]) {
        self.code = code
        self.variables = variables
    }
}
