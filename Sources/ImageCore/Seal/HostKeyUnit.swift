/// The unit of systemd that makes SSH host keys at a start without any. Sealing adds it where nothing else in the guest
/// would: Debian's package makes them once, when it is installed, and without them its server does not start.
public enum HostKeyUnit {
    public static let path = "/etc/systemd/system/ssh-host-keys.service"
    /// By which the start pulls it in.
    public static let link = "/etc/systemd/system/multi-user.target.wants/ssh-host-keys.service"

    public static let text = """
        [Unit]
        Description=Make the SSH host keys that sealing the image removed
        ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key
        Before=ssh.service sshd.service

        [Service]
        Type=oneshot
        ExecStart=/usr/bin/ssh-keygen -A
        RemainAfterExit=yes

        [Install]
        WantedBy=multi-user.target

        """

    /// Without it in the guest no unit is started.
    public static let systemd = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"]
    /// OpenRC's service makes keys at every start without any.
    public static let openRC = ["/sbin/openrc", "/usr/sbin/openrc", "/usr/bin/openrc"]
    /// What the unit runs, and what for.
    public static let programs = ["/usr/bin/ssh-keygen", "/usr/sbin/sshd"]

    /// Units that make host keys at every start without any, as Red Hat's and SUSE's do. With one of them ours is not
    /// needed. Debian's `sshd-keygen.service` is none: it wants a first boot, and an emptied machine-id is not one.
    public static let others = ["/usr/lib/systemd/system", "/lib/systemd/system"].flatMap { folder in
        ["sshd-keygen@.service", "sshd-keygen.target", "sshdgenkeys.service"].map {
            folder + "/" + $0
        }
    }
}
