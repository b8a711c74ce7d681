import Glibc

/// What the hidden command `goldsmith boot-machine` does: it opens a replica's files for reading, gives up its rights,
/// and becomes QEMU. So QEMU needs no right to the files, and gets none to write them.
public enum BootLaunch {
    /// - Parameters:
    ///   - files: become the descriptors from `BootMachine.firstDescriptor` on.
    ///   - words: QEMU's path and arguments.
    /// - Returns: why it failed; when it does not, it does not return.
    public static func run(files: [String], words: [String]) -> String {
        for (number, path) in files.enumerated() {
            let opened = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
            guard opened >= 0 else { return "open \(path): \(String(cString: strerror(errno)))" }
            let wanted = BootMachine.firstDescriptor + CInt(number)
            // The copy stays open in what this process becomes.
            guard opened != wanted, dup2(opened, wanted) == wanted else { return "no descriptor for \(path)" }
        }
        let line =
            ["/usr/bin/setpriv", "--pdeathsig", "KILL"] + UnprivilegedUser.current.options + ["--"]
            + ["/usr/bin/prlimit", "--core=0", "--fsize=\(BootMachine.largestFile)", "--"] + words
        var pointers: [UnsafeMutablePointer<CChar>?] = line.map { strdup($0) }
        pointers.append(nil)
        execv(line[0], &pointers)
        return "execute \(line[0]): \(String(cString: strerror(errno)))"
    }
}

/// Who runs QEMU: with root's rights an attacker who breaks out of it would have them too.
struct UnprivilegedUser: Equatable {
    /// `nobody` and `nogroup`, on every Debian.
    static let user: uid_t = 65_534
    static let group: gid_t = 65_534

    /// Whether rights are given up.
    var isOther: Bool
    /// The group that may use `/dev/kvm`; `nil` when there is none, or everybody may.
    var virtualisation: gid_t?

    static var current: UnprivilegedUser {
        var status = stat()
        let hasGroup = stat("/dev/kvm", &status) == 0 && status.st_mode & S_IRWXG == S_IRGRP | S_IWGRP
        return UnprivilegedUser(isOther: geteuid() == 0, virtualisation: hasGroup ? status.st_gid : nil)
    }

    /// For setpriv.
    var options: [String] {
        guard isOther else { return ["--no-new-privs"] }
        let groups = virtualisation.map { ["--groups", String($0)] } ?? ["--clear-groups"]
        return ["--reuid", String(Self.user), "--regid", String(Self.group)] + groups + ["--no-new-privs"]
    }

    /// Gives it a file or folder that it must write.
    func take(_ path: String) throws(FileFailure) {
        guard isOther else { return }
        guard lchown(path, Self.user, Self.group) == 0 else { throw FileFailure("give away", path) }
    }
}
