/// Every setting there is. `docs/configuration.md` lists the same ones, and a test compares.
///
/// A setting comes from the first of: a flag, `GOLDSMITH_…` in the environment, the file given with `--config`, and
/// what a running `goldsmith dev` wrote into its data folder.
enum SettingKey: String, CaseIterable, Sendable {
    case data
    case amqpUrl
    case amqpCaFile
    case amqpCertificateFile
    case amqpKeyFile
    case storeUrl
    case managementUrl
    case prefix
    case intakeLimit
    case hosts
    case upstreams
    case retention
    case locations
    case driver
    case drivers
    case libvirtUri
    case libvirtHosts
    case libvirtDisks
    case openstackCloudsFile
    case openstackCloud
    case openstackRegion
    case openstackNetwork
    case openstackFlavor
    case simulatedDelay
    case simulatedFaultRate
    case copyRate
    case guestInspection
    case guestTimeLimit
    case bootProof
    case bootProofUnproven
    case bootProofTimeLimit
    case bootProofEmulatedTimeLimit
    case steps
    case host
    case concurrency
    case hold
    case lease
    case drain
    case attempts
    case orphansEvery
    case logLevel
    case logFormat
    case metricsListen
    case otlpEndpoint
    case otlpHeaders
    case otlpSampleRatio
    case owner
    case producerPassword
    case workerPassword
    case operatorPassword
    case consolePassword
    case consoleListen
    case consoleOrigin
    case consoleUsersFile
    case consoleTrustedProxies

    /// `amqpUrl` → `GOLDSMITH_AMQP_URL`.
    var environmentName: String { Self.environmentName(of: rawValue) }

    /// What it is called in a file, and beside it, for one that may hold a password, the setting that names a file with
    /// nothing but the value in it.
    var names: [String] { isSecret ? [rawValue, fileName] : [rawValue] }
    var fileName: String { rawValue + "File" }

    static func environmentName(of name: String) -> String {
        "GOLDSMITH_"
            + name.reduce(into: "") { name, letter in
                if letter.isUppercase { name.append("_") }
                name.append(contentsOf: letter.uppercased())
            }
    }

    /// Whether it is, or may hold, a password. Then it has no flag and is never repeated.
    var isSecret: Bool {
        let secrets: [SettingKey] = [
            .amqpUrl, .storeUrl, .managementUrl, .otlpHeaders, .producerPassword, .workerPassword, .operatorPassword,
            .consolePassword,
        ]
        return secrets.contains(self)
    }
}
