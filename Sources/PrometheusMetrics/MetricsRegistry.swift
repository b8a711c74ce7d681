import Synchronization

/// The present values of metrics, and their text for Prometheus.
///
/// A metric that is used and not on the list it began with joins it, so that forgetting one there hides nothing. A value
/// with the wrong number of labels is not kept: a measurement must never end a process.
public final class MetricsRegistry: Sendable {
    private struct Histogram {
        var counts: [UInt64]
        var sum = 0.0
        var count: UInt64 = 0
    }
    private enum Value {
        case number(Double)
        case histogram(Histogram)

        mutating func observe(_ value: Double, _ bounds: [Double]) {
            guard case .histogram(var histogram) = self else { return }
            // The only one to hold the counts: they are changed in place, and not copied with each call of the store.
            self = .number(0)
            for (index, bound) in bounds.enumerated() where value <= bound { histogram.counts[index] += 1 }
            histogram.sum += value
            histogram.count += 1
            self = .histogram(histogram)
        }
    }
    private typealias Series = [[String]: Value]

    private struct State {
        var metrics: [Metric] = []
        var values: [String: Series] = [:]

        mutating func register(_ metric: Metric) {
            guard values[metric.name] == nil else { return }
            metrics.append(metric)
            var series: Series = [:]
            for labels in metric.known { series[labels] = MetricsRegistry.zero(of: metric) }
            values[metric.name] = series
        }
    }

    private let state: Mutex<State>

    /// - Parameter metrics: what is shown from the beginning, in this order.
    public init(_ metrics: [Metric]) {
        var state = State()
        for metric in metrics { state.register(metric) }
        self.state = Mutex(state)
    }

    private static func zero(of metric: Metric) -> Value {
        guard case .histogram(let bounds) = metric.kind else { return .number(0) }
        return .histogram(Histogram(counts: Array(repeating: 0, count: bounds.count)))
    }

    /// Lets a counter, or a gauge, grow by `amount`.
    public func add(_ amount: Double = 1, to metric: Metric, _ labels: String...) {
        change(metric, labels) { number in number + amount }
    }

    /// Also for counters that are counted elsewhere.
    public func set(_ metric: Metric, _ labels: String..., to value: Double) {
        change(metric, labels) { _ in value }
    }

    /// Forgets a gauge's values, since an old one is worse than none.
    public func clear(_ metric: Metric) {
        state.withLock { $0.values[metric.name]?.removeAll() }
    }

    /// Counts one observation in a histogram.
    public func observe(_ value: Double, in metric: Metric, _ labels: String...) {
        guard case .histogram(let bounds) = metric.kind, labels.count == metric.labels.count else { return }
        state.withLock { state in
            state.register(metric)
            state.values[metric.name]?[labels, default: Self.zero(of: metric)].observe(value, bounds)
        }
    }

    private func change(_ metric: Metric, _ labels: [String], _ body: (Double) -> Double) {
        guard labels.count == metric.labels.count else { return }
        state.withLock { state in
            state.register(metric)
            guard case .number(let number) = state.values[metric.name]?[labels] ?? .number(0) else { return }
            state.values[metric.name]?[labels] = .number(body(number))
        }
    }

    // MARK: The text

    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// The text format of Prometheus, version 0.0.4. Every metric has its two comment lines, also one without values.
    public var text: String {
        let state = state.withLock { $0 }
        var text = ""
        for metric in state.metrics {
            text += "# HELP \(metric.name) \(Self.escaped(metric.help, quotes: false))\n"
            text += "# TYPE \(metric.name) \(metric.kind.name)\n"
            let series = (state.values[metric.name] ?? [:]).sorted { $0.key.lexicographicallyPrecedes($1.key) }
            for (labels, value) in series {
                let pairs = zip(metric.labels, labels).map { "\($0)=\"\(Self.escaped($1, quotes: true))\"" }
                switch value {
                case .number(let number): text += Self.line(metric.name, pairs, number)
                case .histogram(let histogram):
                    guard case .histogram(let bounds) = metric.kind else { continue }
                    for (bound, count) in zip(bounds, histogram.counts) {
                        text += Self.line(
                            "\(metric.name)_bucket",
                            pairs + ["le=\"\(Self.number(bound))\""],
                            Double(count)
                        )
                    }
                    text += Self.line("\(metric.name)_bucket", pairs + ["le=\"+Inf\""], Double(histogram.count))
                    text += Self.line("\(metric.name)_sum", pairs, histogram.sum)
                    text += Self.line("\(metric.name)_count", pairs, Double(histogram.count))
                }
            }
        }
        return text
    }

    private static func line(_ name: String, _ pairs: [String], _ value: Double) -> String {
        pairs.isEmpty
            ? "\(name) \(number(value))\n" : "\(name){\(pairs.joined(separator: ","))} \(number(value))\n"
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map(String.init) ?? "\(value)"
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}
