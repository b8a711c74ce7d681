import Synchronization

/// The present values of a fixed list of measures, and their text for Prometheus.
///
/// What is not on the list, or has the wrong number of labels, is not kept: a measurement must never end a process.
public final class MeasureBoard: Sendable {
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

    public let measures: [Measure]
    private let values: Mutex<[String: Series]>

    public init(_ measures: [Measure]) {
        self.measures = measures
        var values: [String: Series] = [:]
        for measure in measures {
            values[measure.name] = [:]
            for labels in measure.known { values[measure.name]?[labels] = Self.zero(of: measure) }
        }
        self.values = Mutex(values)
    }

    private static func zero(of measure: Measure) -> Value {
        guard case .histogram(let bounds) = measure.kind else { return .number(0) }
        return .histogram(Histogram(counts: Array(repeating: 0, count: bounds.count)))
    }

    /// Lets a counter, or a gauge, grow by `amount`.
    public func add(_ amount: Double = 1, to measure: Measure, _ labels: String...) {
        change(measure, labels) { number in number + amount }
    }

    /// Also for counters that are counted elsewhere.
    public func set(_ measure: Measure, _ labels: String..., to value: Double) {
        change(measure, labels) { _ in value }
    }

    /// Forgets a gauge's values, since an old one is worse than none.
    public func clear(_ measure: Measure) {
        values.withLock { $0[measure.name]?.removeAll() }
    }

    /// Counts one observation in a histogram.
    public func observe(_ value: Double, in measure: Measure, _ labels: String...) {
        guard case .histogram(let bounds) = measure.kind, labels.count == measure.labels.count else { return }
        values.withLock { values in
            values[measure.name]?[labels, default: Self.zero(of: measure)].observe(value, bounds)
        }
    }

    private func change(_ measure: Measure, _ labels: [String], _ body: (Double) -> Double) {
        guard labels.count == measure.labels.count else { return }
        values.withLock { values in
            guard case .number(let number) = values[measure.name]?[labels] ?? .number(0) else { return }
            values[measure.name]?[labels] = .number(body(number))
        }
    }

    // MARK: The text

    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// The text format of Prometheus, version 0.0.4. Every measure has its two comment lines, also one without values.
    public var text: String {
        let values = values.withLock { $0 }
        var text = ""
        for measure in measures {
            text += "# HELP \(measure.name) \(Self.escaped(measure.help, quotes: false))\n"
            text += "# TYPE \(measure.name) \(measure.kind.name)\n"
            let series = (values[measure.name] ?? [:]).sorted { $0.key.lexicographicallyPrecedes($1.key) }
            for (labels, value) in series {
                let pairs = zip(measure.labels, labels).map { "\($0)=\"\(Self.escaped($1, quotes: true))\"" }
                switch value {
                case .number(let number): text += Self.line(measure.name, pairs, number)
                case .histogram(let histogram):
                    guard case .histogram(let bounds) = measure.kind else { continue }
                    for (bound, count) in zip(bounds, histogram.counts) {
                        text += Self.line(
                            "\(measure.name)_bucket",
                            pairs + ["le=\"\(Self.number(bound))\""],
                            Double(count)
                        )
                    }
                    text += Self.line("\(measure.name)_bucket", pairs + ["le=\"+Inf\""], Double(histogram.count))
                    text += Self.line("\(measure.name)_sum", pairs, histogram.sum)
                    text += Self.line("\(measure.name)_count", pairs, Double(histogram.count))
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
