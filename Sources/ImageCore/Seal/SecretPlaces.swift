/// Where systems and their users keep keys, tokens and passwords: patterns of glob(7).
public enum SecretPlaces {
    /// No system has more of such files; the rest is not read, and that is noted.
    public static let fileLimit = 2_000

    /// - Parameter homes: users' home folders, without a slash at their end.
    public static func patterns(homes: [String]) -> [String] {
        system + homes.flatMap { home in user.map { home + "/" + $0 } }
    }

    private static let system = [
        "/etc/ssh/ssh_host_*_key",
        "/etc/ssl/private/*",
        "/etc/pki/{tls/private/*,consumer/key.pem,entitlement/*-key.pem}",
        "/etc/letsencrypt/{archive/*/privkey*.pem,accounts/*/*/*/private_key.json}",
        "/etc/{nginx,apache2,httpd,haproxy}/{*.key,*.pem,ssl/*,certs/*}",
        "/etc/kubernetes/{*.conf,pki/*.key,pki/etcd/*.key}",
        "/var/lib/kubelet/pki/*.pem",
        "/etc/rancher/k3s/k3s.yaml",
        "/etc/wireguard/*.conf",
        "/etc/openvpn/{*,client/*,server/*}.{key,ovpn,conf}",
        "/etc/{ipsec.secrets,ipsec.d/private/*,swanctl/private/*}",
        "/etc/ppp/{chap,pap}-secrets",
        "/etc/NetworkManager/system-connections/*",
        "/etc/wpa_supplicant/*.conf",
        "/etc/netplan/*.yaml",
        "/etc/{fstab,environment,cifs-credentials,smbcredentials}",
        "/etc/{openstack/clouds.yaml,openstack/secure.yaml,mysql/debian.cnf,postfix/sasl_passwd,msmtprc}",
        "/var/lib/cloud/instances/*/{user-data.txt,vendor-data.txt}",
        "/{opt,srv,var/www}/{.env,*/.env,*/*/.env}",
    ]

    private static let user = [
        ".ssh/*",
        ".gnupg/{secring.gpg,private-keys-v1.d/*}",
        ".aws/credentials",
        ".azure/{accessTokens.json,msal_token_cache.json,service_principal_entries.json}",
        ".config/gcloud/{application_default_credentials.json,legacy_credentials/*/*.json}",
        ".config/{gh/hosts.yml,hub,rclone/rclone.conf,openstack/clouds.yaml,openstack/secure.yaml}",
        ".config/containers/auth.json",
        ".docker/config.json",
        ".kube/config",
        "{.netrc,.pgpass,.my.cnf,.mylogin.cnf,.git-credentials,.npmrc,.yarnrc,.pypirc,.s3cfg,.boto,.env}",
        "{.vault-token,.terraformrc,.terraform.d/credentials.tfrc.json,.gem/credentials,.m2/settings.xml}",
        "{.cargo/credentials,.cargo/credentials.toml,.smbcredentials,.msmtprc,.fetchmailrc,.muttrc}",
        "{.bash_history,.zsh_history,.python_history,.mysql_history,.psql_history}",
        "{.ash_history,.sh_history,.histfile,.local/share/fish/fish_history}",
    ]

    /// The home folders that `/etc/passwd` names, and the usual ones.
    /// - Parameter folders: those in `/home`.
    /// - Returns: without those whose names a glob would read as a pattern, and without those over the limit. `isCut` says
    ///   that there were such.
    public static func homes(passwd: [UInt8], folders: [String]) -> (all: [String], isCut: Bool) {
        var homes = ["/root"] + folders.filter(isPlain)
        var isCut = homes.count <= folders.count
        for range in Fstab.lines(of: passwd) where range.count <= 1024 {
            let fields = String(decoding: passwd[range], as: UTF8.self).split(
                separator: ":",
                omittingEmptySubsequences: false
            )
            guard fields.count == 7 else { continue }
            let home = String(fields[5])
            let parts = home.split(separator: "/")
            guard home.hasPrefix("/"), let first = parts.first, !parts.contains("..") else { continue }
            // Many services live in folders that are not theirs.
            let isSystem = ["bin", "sbin", "usr", "dev", "proc", "sys", "run"].contains(first)
            guard !isSystem, parts.count > 1 || !systemFolders.contains(first) else { continue }
            guard isPlain(home) else {
                isCut = true
                continue
            }
            let plain = "/" + parts.joined(separator: "/")
            if !homes.contains(plain) { homes.append(plain) }
        }
        return (Array(homes.prefix(homeLimit)), isCut || homes.count > homeLimit)
    }

    /// Whether a glob takes a path as it stands.
    public static func isPlain(_ path: String) -> Bool {
        path.utf8.allSatisfy { byte in byte > 0x1f && byte != 0x7f && !"*?[]{},\\".utf8.contains(byte) }
    }

    private static let homeLimit = 256
    private static let systemFolders: Set<Substring> = [
        "boot", "etc", "home", "lib", "media", "mnt", "opt", "srv", "tmp", "var",
    ]

    /// Whether a file is there only to hold a secret, in a form that no rule knows: any line in it counts.
    static func holdsOnlySecrets(_ path: String) -> Bool {
        let names = ["chap-secrets", "pap-secrets", "ipsec.secrets", "sasl_passwd", ".vault-token", ".mylogin.cnf"]
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        return names.contains(name) || path.hasSuffix("/.gem/credentials")
            || path.contains("/openvpn/") && name.hasSuffix(".key")
    }
}
