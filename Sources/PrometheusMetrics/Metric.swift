/// One metric: its name, its kind of number, and the labels that distinguish its series.
///
/// Labels must come from closed lists. Each combination of values is a time series that its collector stores, so an id
/// or an owner as a label would grow without bound.
public struct Metric: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
        /// Only ever grows, from 0 when the process starts.
        case counter
        case gauge
        /// Counts observations by upper bounds, which are ascending.
        case histogram([Double])

        public var name: String {
            switch self {
            case .counter: "counter"
            case .gauge: "gauge"
            case .histogram: "histogram"
            }
        }
    }

    public let name: String
    public let kind: Kind
    public let labels: [String]
    /// One sentence.
    public let help: String
    /// Label values whose series begin at 0, so that a rate includes the first step.
    public let known: [[String]]

    public init(_ name: String, _ kind: Kind, by labels: [String] = [], known: [[String]] = [], _ help: String) {
        self.name = name
        self.kind = kind
        self.labels = labels
        self.known = labels.isEmpty && kind != .gauge ? [[]] : known
        self.help = help
    }
}
