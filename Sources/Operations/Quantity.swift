/// How quantities stand in texts for people.
public enum Quantity {
    /// 1536 → `1.5 KiB`.
    public static func bytes(_ count: Int64) -> String {
        var value = Double(count)
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if value < 1024 { return unit == "B" ? "\(count) B" : "\(oneDigit(value)) \(unit)" }
            value /= 1024
        }
        return "\(oneDigit(value)) TiB"
    }

    /// With one digit below the point, unless that is 0.
    public static func oneDigit(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}
