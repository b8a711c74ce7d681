import ImageCore

/// The virtual machine that a replica is started in, as arguments of QEMU.
///
/// It has no network and no device of the host. Its disks are throw-away layers; below each is a replica's file, which
/// QEMU gets as an open descriptor that can only be read. QEMU's own filter of system calls is on.
struct BootMachine {
    /// What lies below each layer of `disks` is open under these numbers, in this order.
    static let firstDescriptor: CInt = 10
    static let memoryMebibytes = 1024
    static let processors = 2
    /// For QEMU: the guest's memory, what is translated when the processor is emulated, and itself.
    static let addressSpace: Int64 = 6 << 30
    /// The most that one layer may grow to. A start writes some MiB.
    static let largestFile: Int64 = 1 << 30

    enum Firmware: Equatable {
        case bios
        /// - Parameters:
        ///   - code: the firmware's file, which is only read.
        ///   - variables: a copy of our own of the file it keeps its settings in.
        case uefi(code: String, variables: String)

        var kind: BootFirmware {
            switch self {
            case .bios: .bios
            case .uefi: .uefi
            }
        }
    }

    /// How the guest sees its disks.
    enum Bus: String {
        case virtio, sata, scsi, ide
    }

    /// A folder of our own, with the layers and the sockets; no character in it means anything to QEMU.
    var scratch: String
    /// The layers' names in it, the system disk's first.
    var layers: [String]
    var bus: Bus
    var firmware: Firmware
    /// Whether the processor is emulated, instead of the host's own.
    var isEmulated = true

    var controlSocket: String { scratch + "/control" }
    var agentSocket: String { scratch + "/agent" }
    var picture: String { scratch + "/screen.png" }
    /// A picture that is only read.
    var look: String { scratch + "/look.png" }

    var arguments: [String] {
        var words = [
            "-nodefaults", "-no-user-config", "-nic", "none", "-display", "none",
            "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
            // Without graphics, SeaBIOS writes to the serial console too, and with it GRUB.
            "-machine", (isModern ? "q35" : "pc") + ",graphics=off",
            "-accel", isEmulated ? "tcg,tb-size=256" : "kvm",
            "-cpu", isEmulated ? "max" : "host", "-smp", String(Self.processors), "-m", String(Self.memoryMebibytes),
            "-object", "rng-builtin,id=random", "-device", "virtio-rng-pci,rng=random",
            "-device", "VGA",
            "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
            "-chardev", "socket,id=control,path=\(controlSocket),server=on,wait=off", "-mon",
            "chardev=control,mode=control",
            "-device", "virtio-serial-pci",
            "-chardev", "socket,id=agent,path=\(agentSocket),server=on,wait=off",
            "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
        ]
        if case .uefi(let code, let variables) = firmware {
            words += ["-drive", "if=pflash,format=raw,unit=0,readonly=on,file=\(code)"]
            words += ["-drive", "if=pflash,format=raw,unit=1,file=\(variables)"]
        }
        if bus == .scsi { words += ["-device", "virtio-scsi-pci,id=scsi"] }
        for (number, layer) in layers.enumerated() { words += disk(number, layer) }
        return words
    }

    /// A chipset with SATA; UEFI is at home on it.
    private var isModern: Bool { firmware.kind == .uefi || bus == .sata }

    private func disk(_ number: Int, _ layer: String) -> [String] {
        let descriptor = Self.firstDescriptor + CInt(number)
        let below =
            #"{"driver":"qcow2","node-name":"replica\#(number)","read-only":true,"backing":null,"#
            + #""file":{"driver":"file","filename":"/dev/fdset/\#(number)"}}"#
        let above =
            #"{"driver":"qcow2","node-name":"disk\#(number)","backing":"replica\#(number)","#
            + #""file":{"driver":"file","filename":\#(BlockNode.quoted(scratch + "/" + layer))}}"#
        let device =
            switch bus {
            case .virtio: "virtio-blk-pci"
            case .sata: "ide-hd,bus=ide.\(number)"
            // Two on each of the two cables.
            case .ide: "ide-hd,bus=ide.\(number / 2),unit=\(number % 2)"
            case .scsi: "scsi-hd,bus=scsi.0"
            }
        // Only the system disk is started from.
        let order = number == 0 ? ",bootindex=1" : ""
        return [
            "-add-fd", "fd=\(descriptor),set=\(number)", "-blockdev", below, "-blockdev", above,
            "-device", "\(device),drive=disk\(number)\(order)",
        ]
    }
}
