/// Text as it stands on a terminal: its colours take no room.
extension StringProtocol {
    /// The columns it takes, its colours left out.
    var visibleWidth: Int {
        var (count, isColour) = (0, false)
        for character in self {
            switch character {
            case "\u{1B}": isColour = true
            case "m" where isColour: isColour = false
            default: count += isColour ? 0 : 1
            }
        }
        return count
    }

    /// The widest of its words: what cannot be made narrower without a break inside a word.
    var widestWord: Int { split(separator: " ").map(\.visibleWidth).max() ?? 0 }
}
