import Testing

@testable import ImageCore

struct SecretTests {
    private static let key = """
        -----BEGIN OPENSSH PRIVATE KEY-----
        b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
        -----END OPENSSH PRIVATE KEY-----

        """

    @Test(
        "A secret in a well-known place is known by what its line says",
        arguments: [
            ("/root/.ssh/id", key, [SecretKind.privateKey: 1]),
            ("/root/.ssh/id.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI me@host\n", [:]),
            ("/root/.pgpass", "db:5432:*:app:hunter22\n# a:b:c:d:e\n", [.password: 1]),
            ("/root/.netrc", "machine ftp.example login me password hunter22\n", [.password: 1]),
            ("/root/.git-credentials", "https://me:hunter22@git.example/x\n", [.password: 1]),
            (
                "/root/.aws/credentials",
                "aws_access_key_id = AKIAABCDEFGHIJKLMNOP\naws_secret_access_key = abcdefgh\n", [.token: 2]
            ),
            ("/root/.docker/config.json", #"{"auths":{"r":{"auth":"bWU6aHVudGVyMjI"}}}"#, [.token: 1]),
            ("/root/.npmrc", "//registry.example/:_authToken=0a1b2c3d\n", [.token: 1]),
            ("/root/.docker/config.json", "\t\t\t\"auth\": \"bWU6aHVudGVyMjI=\"\n", [.token: 1]),
            ("/root/.npmrc", "//registry.example/:_authToken=npm_000000000000000000000000000000000000\n", [.token: 1]),
            (
                "/etc/wireguard/wg0.conf", "PrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n",
                [.privateKey: 1]
            ),
            ("/etc/NetworkManager/system-connections/x", "psk=longenough\n", [.password: 1]),
            ("/etc/fstab", "//nas/x /mnt cifs user=me,password=hunter22,vers=3 0 0\n", [.password: 1]),
            ("/etc/fstab", "UUID=1 / ext4 defaults 0 1\n", [:]),
            (
                "/root/.kube/config", "    client-key-data: LS0tLS1CRUdJTiBSU0E=\n    token: abcdefgh\n",
                [.privateKey: 1, .token: 1]
            ),
            ("/srv/.env", "DB_PASSWORD=hunter22\nDB_HOST=db\n#OLD_PASSWORD=hunter22\n", [.password: 1]),
            ("/srv/.env", "DB_PASSWORD=${FROM_VAULT}\nPASSWORD=\nTOKEN=xxxxxxxx\nPASS=none\n", [:]),
            ("/etc/ppp/chap-secrets", "# client server secret\nme * hunter22 *\n", [.password: 1]),
            ("/etc/ppp/pap-secrets", "# nothing\n\n", [:]),
            ("/root/.m2/settings.xml", "  <password>hunter22</password>\n", [.password: 1]),
            ("/root/.m2/settings.xml", "  <password>${env.PASS}</password>\n", [:]),
            ("/root/.bash_history", "grep password /etc/app.conf\n", [:]),
            (
                "/var/lib/cloud/instances/i/user-data.txt", "chpasswd: {expire: false}\npassword: hunter22\n",
                [.password: 1]
            ),
            ("/root/.gnupg/private-keys-v1.d/a.key", "anything", [.privateKey: 1]),
        ]
    )
    func places(_ path: String, _ text: String, _ expected: [SecretKind: Int]) {
        #expect(SecretText.count(in: Array(text.utf8), path: path).counts == expected, "\(path): \(text)")
    }

    @Test("In blocks without a file only what is known by its form counts, wherever it stands")
    func blocks() {
        let noise =
            [UInt8](repeating: 0, count: 100) + Array("password=hunter22 -----BEGIN RSA PRIVATE KEY-----\0".utf8)
        #expect(SecretText.count(inBlocks: noise).isEmpty)
        let token = "ghp_" + String(repeating: "a1", count: 18)
        let found = SecretText.count(inBlocks: noise + Array(Self.key.utf8) + [0] + Array(token.utf8) + [0])
        #expect(found.counts == [.privateKey: 1, .token: 1])
        // Another word's end is no token, and half of one is none.
        #expect(SecretText.count(inBlocks: Array(("x" + token).utf8)).isEmpty)
        #expect(SecretText.count(inBlocks: Array(token.utf8.dropLast())).isEmpty)
    }

    @Test("Random bytes, and random cuts of secrets, trap nothing")
    func hostile() {
        var random = SeededRandom(seed: 15)
        for _ in 0..<2_000 {
            let all = Array((Self.key + "://a:b@ password = '\" ::= \u{0} ghp_ -----BEGIN ").utf8)
            var bytes = (0..<Int.random(in: 0...120, using: &random)).map { _ in
                all[Int.random(in: all.indices, using: &random)]
            }
            bytes += all.prefix(Int.random(in: 0...all.count, using: &random))
            _ = SecretText.count(in: bytes, path: "/x/.pgpass")
            _ = SecretText.count(in: bytes, path: "/x/y")
            _ = SecretText.count(inBlocks: bytes)
            _ = SecretPlaces.homes(passwd: bytes, folders: [])
        }
    }

    @Test("Homes are those of users: not a service's folder of the system, and nothing a glob would read otherwise")
    func homes() {
        let passwd = """
            root:x:0:0:root:/root:/bin/bash
            daemon:x:1:1::/usr/sbin:/usr/sbin/nologin
            nobody:x:9:9::/nonexistent:/bin/false
            git:x:3:3::/srv/git:/bin/sh
            odd:x:4:4::/home/*:/bin/sh
            up:x:5:5::/home/../etc:/bin/sh
            app:x:6:6::/app/:/bin/sh
            any:x:7:7::/var:/bin/sh
            broken
            """
        #expect(
            SecretPlaces.homes(passwd: Array(passwd.utf8), folders: ["/home/me", "/home/{a,b}"]).all == [
                "/root", "/home/me", "/nonexistent", "/srv/git", "/app",
            ]
        )
    }

    @Test(
        "Findings name the path and the number, and never the secret",
        arguments: [
            ("/root/.ssh/id", "a private key is in /root/.ssh/id"),
            ("/root/\u{1b}[2J", "a private key is in /root/[2J"),
        ]
    )
    func findings(_ path: String, _ message: String) {
        let finding = SecretText.count(in: Array(Self.key.utf8), path: path).finding(in: path)
        #expect(finding.message == message && finding.code == .secret && finding.text == nil)
    }

    /// A captured system disk with this found on it.
    private func captured(_ scan: SecretScan, _ secrets: [Finding]) -> Life {
        var plan = Sample.plan()
        plan.secretScan = scan
        var life = Life(plan: plan)
        life.run(.stopCheck)
        life.apply(.began(.systemDisk, attempt: 1))
        var capture = Sample.capture(of: .systemDisk, in: life.image)
        capture.secrets = secrets
        life.apply(.succeeded(.systemDisk, fence: life.image.fence, .captured(capture)))
        return life
    }

    @Test("Secrets that are only reported are findings of an image that is made")
    func reported() {
        var count = SecretCount()
        count.add(.token)
        var life = captured(.report, [count.finding(in: "/root/.npmrc")])
        #expect(life.image.findings.map(\.code) == [.secret] && life.image.status == .replicating)
        life.runToItsEnd()
        #expect(life.image.status == .available)
    }

    @Test(
        "Under refuse, a secret or a place that was not searched ends the image in Error, with the findings, cleaned up",
        arguments: [
            Finding(.warning, "a token is in /root/.npmrc", code: .secret),
            Finding.secretsNotChecked("deleted blocks", "only ext2 to ext4 are searched"),
        ]
    )
    func refused(_ finding: Finding) {
        var life = captured(.refuse, [finding])
        #expect(life.image.jobs[.systemDisk]?.phase == .failed && life.image.findings == [finding])
        let failure = life.image.jobs[.systemDisk]?.lastFailure
        #expect(failure?.code == .secretsFound && failure?.disposition == .permanent)
        #expect(failure?.message.contains(finding.message) == true)
        life.apply(.deadLettered(.systemDisk, attempt: 1, failure ?? Sample.failure(.permanent)))
        life.runToItsEnd()
        #expect(life.image.status == .error && life.image.cleanUp == .done && life.image.captures.isEmpty)
    }

    @Test("Under refuse, nothing found makes the image")
    func clean() { #expect(captured(.refuse, []).image.status == .replicating) }
}
