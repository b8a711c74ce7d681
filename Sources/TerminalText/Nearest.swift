/// The word that a mistyped one probably means.
public enum Nearest {
    /// - Returns: the candidates that are nearest to `word`, in their order; none when all are too far away.
    public static func matches(for word: String, among candidates: [String]) -> [String] {
        let typed = word.lowercased()
        guard !typed.isEmpty else { return [] }
        let begun = candidates.filter { $0.hasPrefix(typed) }
        if typed.count > 1, !begun.isEmpty { return begun }
        let limit = max(1, typed.count / 3)
        let distances = candidates.map { (name: $0, distance: distance(typed, $0.lowercased())) }
        guard let least = distances.map(\.distance).min(), least <= limit else { return [] }
        return distances.filter { $0.distance == least }.map(\.name)
    }

    /// How many letters must be added, taken away, changed or swapped with their neighbour to make one of the other.
    static func distance(_ first: String, _ second: String) -> Int {
        let (a, b) = (Array(first), Array(second))
        guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
        var twoAbove: [Int] = []
        var above = Array(0...b.count)
        for i in 1...a.count {
            var row = [i]
            for j in 1...b.count {
                let change = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)
                var best = min(above[j] + 1, row[j - 1] + 1, change)
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { best = min(best, twoAbove[j - 2] + 1) }
                row.append(best)
            }
            (twoAbove, above) = (above, row)
        }
        return above[b.count]
    }
}
