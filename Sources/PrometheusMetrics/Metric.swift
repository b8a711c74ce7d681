/// One thing that is measured: its name, what kind of number it is, and by which labels it is told apart.
///
/// Labels must come from closed lists. Each combination of values is a time series of its own for whoever collects
/// them, so that an id or an owner as a label would grow without an end.
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
    /// Label values whose series begin at 0: whoever computes rates must see the first step too.
    public let known: [[String]]

    public init(_ name: String, _ kind: Kind, by labels: [String] = [], known: [[String]] = [], _ help: String) {
        self.name = name
        self.kind = kind
        self.labels = labels
        self.known = labels.isEmpty && kind != .gauge ? [[]] : known
        self.help = help
    }
}
