public import SystemPackage

/// A certificate authority made for one test run, and a certificate for `localhost` signed by it.
public struct TestCertificates: Sendable {
    public let authority: FilePath
    public let certificate: FilePath
    public let key: FilePath

    /// Written to `folder`, which must exist. Takes a few tenths of a second.
    public init(in folder: FilePath) async throws {
        authority = folder.appending("ca.pem")
        certificate = folder.appending("cert.pem")
        key = folder.appending("key.pem")
        let authorityKey = folder.appending("ca-key.pem").string
        let newKey = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        ]
        try await Self.openssl(
            newKey + ["-subj", "/CN=Test authority", "-keyout", authorityKey, "-out", authority.string]
        )
        try await Self.openssl(
            newKey + [
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext",
                "basicConstraints=CA:FALSE",
                "-CA", authority.string, "-CAkey", authorityKey, "-keyout", key.string, "-out", certificate.string,
            ]
        )
    }

    /// One more certificate for `localhost`, of the same key and authority, for another time.
    /// - Parameters: from and until, as OpenSSL writes times: `20400101000000Z`.
    /// - Returns: its file.
    public func certificate(from: String, until: String) async throws -> FilePath {
        let folder = certificate.removingLastComponent()
        let file = { (name: String) in folder.appending("\(from)-\(name)").string }
        let settings = """
            [ca]
            default_ca=own
            [own]
            database=\(file("index"))
            new_certs_dir=\(folder)
            serial=\(file("serial"))
            policy=any
            default_md=sha256
            copy_extensions=copy
            [any]
            commonName=supplied

            """
        for (name, text) in [("index", ""), ("settings", settings)] {
            let descriptor = try FileDescriptor.open(
                FilePath(file(name)),
                .writeOnly,
                options: [.create, .truncate],
                permissions: .ownerReadWrite
            )
            try descriptor.closeAfter { _ = try descriptor.writeAll(text.utf8) }
        }
        try await Self.openssl([
            "req", "-new", "-key", key.string, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            "-out", file("request"),
        ])
        try await Self.openssl([
            "ca", "-batch", "-notext", "-create_serial", "-config", file("settings"), "-in", file("request"), "-cert",
            authority.string, "-keyfile", folder.appending("ca-key.pem").string, "-startdate", from, "-enddate", until,
            "-out", file("certificate"),
        ])
        return FilePath(file("certificate"))
    }

    // Not Foundation's `Process`: it learns of an end from a descriptor that closes, and a server started meanwhile may
    // have inherited that one and keep it open for the rest of the run.
    private static func openssl(_ arguments: [String]) async throws {
        try await DriverScratch.run("/usr/bin/openssl", arguments)
    }
}
