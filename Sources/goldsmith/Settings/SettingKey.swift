/// Every setting there is. `docs/configuration.md` lists the same ones, and a test compares.
///
/// A setting comes from the first of: a flag, `GOLDSMITH_…` in the environment, the file given with `--config`, and
/// what a running `goldsmith dev` wrote into its data folder.
enum SettingKey: String, CaseIterable, Sendable {
    case data
    case amqpUrl
    case storeUrl
    case prefix
    case intakeLimit
    case upstreams
    case retention
    case locations
    case driver
    case simulatedDelay
    case simulatedFaultRate
    case copyRate
    case steps
    case concurrency
    case hold
    case lease
    case drain
    case attempts
    case orphansEvery
    case logLevel
    case owner

    /// `amqpUrl` → `GOLDSMITH_AMQP_URL`.
    var environmentName: String {
        "GOLDSMITH_"
            + rawValue.reduce(into: "") { name, letter in
                if letter.isUppercase { name.append("_") }
                name.append(contentsOf: letter.uppercased())
            }
    }

    var isSecret: Bool { self == .amqpUrl || self == .storeUrl }
}
