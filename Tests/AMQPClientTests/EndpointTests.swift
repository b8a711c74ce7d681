import AMQPClient
import Testing

@Suite("Endpoints")
struct EndpointTests {
    @Test(
        "a URL becomes its parts",
        arguments: [
            ("amqp://h", AMQPEndpoint(host: "h")),
            ("AMQP://h/", AMQPEndpoint(host: "h")),
            ("amqp://h:1/%2F", AMQPEndpoint(host: "h", port: 1)),
            ("amqp://u@h/v", AMQPEndpoint(host: "h", user: "u", password: "", virtualHost: "v")),
            (
                "amqp://u:p@h:65535/a%2Fb",
                AMQPEndpoint(host: "h", port: 65535, user: "u", password: "p", virtualHost: "a/b")
            ),
            ("amqp://u%40x:p%3A%25@h", AMQPEndpoint(host: "h", user: "u@x", password: "p:%")),
            ("amqp://u:p@ss@h", AMQPEndpoint(host: "h", user: "u", password: "p@ss")),
            ("amqp://u:a:b@h", AMQPEndpoint(host: "h", user: "u", password: "a:b")),
            ("amqp://[::1]:99/v", AMQPEndpoint(host: "::1", port: 99, virtualHost: "v")),
            ("amqp://[fe80::1]", AMQPEndpoint(host: "fe80::1")),
        ]
    )
    func parsed(url: String, expected: AMQPEndpoint) throws {
        #expect(try AMQPEndpoint(parsing: url) == expected)
    }

    @Test(
        "what is no AMQP URL is refused without being quoted",
        arguments: [
            "", "h", "http://h", "amqp:/h", "amqp://", "amqp://hunter2@", "amqp://u:hunter2@:5672",
            "amqp://u:hunter2@h:0",
            "amqp://u:hunter2@h:65536", "amqp://u:hunter2@h:", "amqp://u:hunter2@h:5x", "amqp://u:hunter2%@h",
            "amqp://u:hunter2%zz@h", "amqp://u:hunter2%00@h", "amqp://u:hunter2%ff@h", "amqp://u:hunter2@h/a/b",
            "amqp://u:hunter2@h#x", "amqp://u:hunter2@h?x=1", "amqps://u:hunter2@h?verify=maybe",
            "amqps://u:hunter2@h?certfile=x", "amqps://u:hunter2@h?other=x", "amqp://u:hunter2@a b",
            "amqp://u:hunter2@[::1",
        ]
    )
    func refused(url: String) {
        #expect {
            try AMQPEndpoint(parsing: url)
        } throws: { error in
            (error as? AMQPError)?.kind == .invalidEndpoint && !"\(error)".contains("hunter2")
        }
    }

    @Test("TLS is checked unless the URL says otherwise")
    func tls() throws {
        let plain = try AMQPEndpoint(parsing: "amqps://u:p@h/v")
        #expect(plain.port == 5671)
        #expect(plain.tls == AMQPEndpoint.TLS())
        #expect(plain.tls?.verifiesPeer == true)
        let full = try AMQPEndpoint(
            parsing: "amqps://h?cacertfile=%2Fca.pem&certfile=/c.pem&keyfile=/k.pem&verify=verify_none"
        )
        #expect(full.tls?.authorityFile == "/ca.pem")
        #expect(full.tls?.certificateFile == "/c.pem")
        #expect(full.tls?.keyFile == "/k.pem")
        #expect(full.tls?.verifiesPeer == false)
    }

    @Test("a connection that others could read or take over is warned of")
    func exposure() throws {
        for safe in ["amqps://h", "amqp://localhost", "amqp://127.0.0.1", "amqp://[::1]"] {
            #expect(try AMQPEndpoint(parsing: safe).exposure == nil, "\(safe)")
        }
        for exposed in ["amqp://h", "amqp://localhost.example.org", "amqps://h?verify=verify_none"] {
            #expect(try AMQPEndpoint(parsing: exposed).exposure != nil, "\(exposed)")
        }
    }

    @Test("no way of printing an endpoint shows its password")
    func redacted() throws {
        let endpoint = try AMQPEndpoint(parsing: "amqps://us%40er:hunter2@h:1/a%2Fb")
        #expect(endpoint.redacted == "amqps://us%40er@h:1/a%2Fb")
        var dumped = ""
        dump(endpoint, to: &dumped)
        for text in [
            "\(endpoint)", String(reflecting: endpoint), dumped, "\([endpoint])", "\(Optional(endpoint) as Any)",
        ] {
            #expect(!text.contains("hunter2"))
        }
    }

    @Test("a host is shown so that no terminal obeys it and the same host is meant")
    func shownHost() throws {
        let odd = try AMQPEndpoint(parsing: "amqp://u:p@a%1b31m%40b/v")
        #expect(odd.redacted == "amqp://u@a%1B31m%40b:5672/v")
        #expect(try AMQPEndpoint(parsing: odd.redacted).host == odd.host)
        #expect(try AMQPEndpoint(parsing: "amqp://u:p@[fe80::1]:1/").redacted == "amqp://u@[fe80::1]:1/")
    }
}
