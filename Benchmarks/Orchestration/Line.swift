import Foundation

/// One line of the table: a measured value, what it is compared with, and what was hoped for.
struct Line: Codable, Sendable {
    var name: String
    var value: Double
    var unit: String
    /// Of the reference measured in the same run.
    var ratio: Double?
    var target: String?
    var isMet: Bool?
    /// How a peer was set up; nil where nothing had to be chosen.
    var setup: String?
    /// Of state, fan-in, compensation and exactly one answer, what it leaves to its user.
    var lacks: [String]?

    /// A line without a target.
    init(name: String, value: Double, unit: String, ratio: Double? = nil) {
        (self.name, self.value, self.unit, self.ratio) = (name, value, unit, ratio)
    }

    /// A line that met a given target or missed it.
    init(name: String, value: Double, unit: String, ratio: Double? = nil, target: String, isMet: Bool) {
        self.init(name: name, value: value, unit: unit, ratio: ratio)
        (self.target, self.isMet) = (target, isMet)
    }

    /// The target is for the ratio: at least so much `what`.
    init(name: String, value: Double, unit: String, ratio: Double, atLeast limit: Double, _ what: String) {
        self.init(
            name: name,
            value: value,
            unit: unit,
            ratio: ratio,
            target: "≥ \(limit.short) \(what)",
            isMet: ratio >= limit
        )
    }

    /// The target is for the ratio: at most so much `what`.
    init(name: String, value: Double, unit: String, ratio: Double, atMost limit: Double, _ what: String) {
        self.init(
            name: name,
            value: value,
            unit: unit,
            ratio: ratio,
            target: "≤ \(limit.short) \(what)",
            isMet: ratio <= limit
        )
    }

    /// The target is for the value.
    init(name: String, value: Double, unit: String, atMost limit: Double) {
        self.init(name: name, value: value, unit: unit, target: "≤ \(limit.short) \(unit)", isMet: value <= limit)
    }

    var text: String {
        var text = name.padding(toLength: 62, withPad: " ", startingAt: 0)
        text +=
            String(format: value < 100 ? "%10.2f " : "%10.1f ", value)
            + unit.padding(toLength: 11, withPad: " ", startingAt: 0)
        text += ratio.map { String(format: "%6.3f", $0) } ?? "      "
        if let target, let isMet { text += "  \(isMet ? "met" : "MISSED"): \(target)" }
        if let setup { text += "\n    set up: \(setup)" }
        if let lacks, !lacks.isEmpty { text += "\n    without: \(lacks.joined(separator: "; "))" }
        return text
    }
}

extension Double {
    var short: String { String(format: "%g", self) }
}
