import ImageCore
import ImageSimulation
import Observability
import Testing

@testable import OperatorConsole

@Suite("Who may come in")
struct AccessTests {
    @Test("a password's hash knows the password only, and reads back")
    func passwords() throws {
        let hash = try HashedSecret.ofPassword("correct horse", cost: Rig.cheap)
        #expect(hash.matches("correct horse") && !hash.matches("correct horse ") && !hash.matches(""))
        #expect(HashedSecret(hash.text) == hash)
        #expect(try HashedSecret.ofPassword("correct horse", cost: Rig.cheap) != hash)
        #expect(!hash.text.contains("correct"))
    }

    @Test("scrypt is scrypt: a known vector of RFC 7914")
    func vector() throws {
        let salt = "536f6469756d43686c6f72696465"
        let key = "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
        let hash = try #require(HashedSecret("scrypt$14$8$1$\(salt)$\(key)"))
        #expect(hash.matches("pleaseletmein"))
    }

    @Test(
        "a hash that would ask for too much, or is none, is refused",
        arguments: [
            "scrypt$30$8$1$0011223344556677$" + String(repeating: "00", count: 32),
            "scrypt$14$8$1$00$" + String(repeating: "00", count: 32), "scrypt$14$8$1$0011223344556677$00", "sha256$00",
            "plain", "",
        ]
    )
    func refused(_ text: String) { #expect(HashedSecret(text) == nil) }

    @Test("a users' file is read, and what is wrong in it is named by its line")
    func usersFile() throws {
        let line = try #require(Account(name: "olga", role: .operator, secret: .ofToken("t"))).line
        let accounts = try Accounts(parsing: "# people\n\n\(line)\n")
        #expect(accounts.all.map(\.name) == ["olga"] && accounts.hasTokens && !accounts.hasPasswords)
        for (text, at) in [
            ("\(line)\nolga\n", 2), ("a:root:sha256$00\n", 1), ("\(line)\n\(line)\n", 2),
            ("a b:viewer:\(HashedSecret.ofToken("t").text)", 1), ("a:viewer:hunter2", 1),
        ] {
            let problem = #expect(throws: Accounts.Problem.self) { try Accounts(parsing: text) }
            #expect(problem?.line == at && problem?.message.contains("hunter2") == false, "\(text)")
        }
    }

    @Test("a users' file without an account is a good one, so that a console starts before its first user is made")
    func empty() throws {
        for text in ["", "\n", "# nobody yet\n\n"] { #expect(try Accounts(parsing: text).isEmpty, "\(text)") }
    }

    @Test("an account is added at the end or replaces its own line, and every other line stays")
    func change() throws {
        func account(_ name: String, _ token: String) throws -> Account {
            try #require(Account(name: name, role: .viewer, secret: .ofToken(token)))
        }
        let (olga, vera, changed) = (try account("olga", "1"), try account("vera", "2"), try account("olga", "3"))
        let first = try UsersFile.text("", with: olga)
        #expect(first.text == "\(olga.line)\n" && first.change == .added)
        // Also where the last line has no end.
        let both = try UsersFile.text("# people\n\n\(olga.line)", with: vera)
        #expect(both.text == "# people\n\n\(olga.line)\n\(vera.line)\n" && both.change == .added)
        let again = try UsersFile.text(both.text, with: changed)
        #expect(again.text == "# people\n\n\(changed.line)\n\(vera.line)\n" && again.change == .replaced)
        // A name that another begins with is another's.
        let another = try UsersFile.text(again.text, with: try account("olg", "4"))
        #expect(another.change == .added)
        // What is no users' file is not made worse.
        #expect(throws: Accounts.Problem.self) { try UsersFile.text("hunter2\n", with: olga) }
    }

    @Test("a session ends when it is idle, when it is old, and when it is told to")
    func sessions() throws {
        let time = ManualTime(Rig.start)
        let sessions = Sessions(time: time)
        let account = try #require(Account(name: "olga", role: .operator, secret: .ofToken("t")))
        let cookie = sessions.begin(account)
        #expect(sessions.session(cookie, isActivity: true)?.role == .operator)
        #expect(sessions.session("somebody else's", isActivity: true) == nil)
        // Requests that a page makes by itself keep no session alive.
        time.advance(by: .seconds(20 * 60))
        #expect(sessions.session(cookie, isActivity: false) != nil)
        time.advance(by: .seconds(10 * 60))
        #expect(sessions.session(cookie, isActivity: true) == nil)
        let busy = sessions.begin(account)
        for _ in 0..<36 {
            #expect(sessions.session(busy, isActivity: true) != nil)
            time.advance(by: .seconds(20 * 60))
        }
        #expect(sessions.session(busy, isActivity: true) == nil)
        let last = sessions.begin(account)
        sessions.end(last)
        #expect(sessions.session(last, isActivity: true) == nil)
    }

    @Test("there are never more sessions than allowed; the one that was idle longest gives way")
    func crowded() throws {
        let time = ManualTime(Rig.start)
        var limits = Sessions.Limits()
        limits.count = 2
        let sessions = Sessions(time: time, limits: limits)
        let account = try #require(Account(name: "olga", role: .operator, secret: .ofToken("t")))
        var cookies: [String] = []
        for _ in 0..<3 {
            cookies.append(sessions.begin(account))
            time.advance(by: .seconds(1))
        }
        #expect(cookies.map { sessions.session($0, isActivity: false) != nil } == [false, true, true])
    }

    @Test("few attempts from one address, and not many in all; time gives them back")
    func throttle() {
        let time = ManualTime(Rig.start)
        let throttle = LoginThrottle(time: time, limits: .init(perAddress: 2, inAll: 3, within: .seconds(60)))
        #expect(throttle.attempt(from: "a") == nil && throttle.attempt(from: "a") == nil)
        #expect(throttle.attempt(from: "a") == .seconds(60))
        #expect(throttle.attempt(from: "b") == nil)
        #expect(throttle.attempt(from: "c") == .seconds(60))
        throttle.succeeded(from: "a")
        #expect(throttle.attempt(from: "a") == nil)
        time.advance(by: .seconds(60))
        #expect(throttle.attempt(from: "c") == nil)
    }

    @Test("on loopback only its names are answered to, elsewhere only the origin's")
    func hosts() throws {
        let local = ConsoleOptions(address: .standard)
        for host in ["127.0.0.1:8484", "localhost", "localhost:9", "[::1]:8484", "LOCALHOST:1"] {
            #expect(local.allows(host: host), "\(host)")
        }
        for host in [
            "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8484", "", "[::1", "127.0.0.1:x",
        ] {
            #expect(!local.allows(host: host), "\(host)")
        }
        let address = try #require(ListenAddress("0.0.0.0:8484"))
        let open = ConsoleOptions(address: address, origin: WebOrigin("https://gold.example.org"))
        #expect(open.allows(host: "Gold.example.org") && !open.allows(host: "localhost") && !address.isLoopback)
        for text in ["127.0.0.1", "host.example:80", "1.2.3.4.5:80", "127.0.0.1:99999", "127.0.0.1:-1", "[::g]:80"] {
            #expect(ListenAddress(text) == nil, "\(text)")
        }
        for text in ["gold.example.org", "https://", "https://gold.example.org/path", "ftp://x"] {
            #expect(WebOrigin(text) == nil, "\(text)")
        }
    }

    @Test("without trusted proxies nobody is believed, with them the rightmost address that is none of them")
    func proxies() throws {
        #expect(TrustedProxies.none.client(of: "10.0.0.1", forwarded: "203.0.113.9") == "10.0.0.1")
        let proxies = try #require(TrustedProxies("127.0.0.1, 10.1.0.0/16 ,fd00::/8"))
        for (peer, forwarded, client) in [
            ("198.51.100.7", "203.0.113.9", "198.51.100.7"),
            ("10.1.2.3", nil, "10.1.2.3"),
            ("10.1.2.3", "203.0.113.9", "203.0.113.9"),
            // What the client has written itself stands further left.
            ("10.1.2.3", "127.0.0.1, 192.0.2.1, 203.0.113.9", "203.0.113.9"),
            ("127.0.0.1", "192.0.2.1,203.0.113.9 ,\t10.1.9.9", "203.0.113.9"),
            ("::ffff:127.0.0.1", "203.0.113.9", "203.0.113.9"), ("fd12::1", "2001:DB8:0::1", "2001:db8:0:0:0:0:0:1"),
            ("10.2.0.1", "203.0.113.9", "10.2.0.1"),
            // No address: the hop that added it is as far as it goes.
            ("10.1.2.3", "203.0.113.9, unknown", "10.1.2.3"), ("10.1.2.3", "203.0.113.9,", "10.1.2.3"),
            ("10.1.2.3", "203.0.113.9, 10.1.4.4:80, 10.1.5.5", "10.1.5.5"), ("10.1.2.3", "", "10.1.2.3"),
            // All of them ours: the first that asked.
            ("10.1.2.3", "10.1.4.4, 10.1.5.5", "10.1.4.4"), ("unknown", "203.0.113.9", "unknown"),
        ] as [(String, String?, String)] {
            #expect(proxies.client(of: peer, forwarded: forwarded) == client, "\(peer) \(forwarded ?? "")")
        }
        let long = Array(repeating: "10.1.0.1", count: 10_000).joined(separator: ",")
        #expect(proxies.client(of: "10.1.2.3", forwarded: "203.0.113.9," + long) == "10.1.0.1")
        for text in [
            "", "proxy", "10.0.0.0/0", "::/0", "10.0.0.0/33", "10.0.0.0/x", "10.0.0.1,,10.0.0.2", "10.0.0.1;::1",
        ] {
            #expect(TrustedProxies(text) == nil, "\(text)")
        }
    }
}
