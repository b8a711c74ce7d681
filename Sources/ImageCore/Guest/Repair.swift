/// How something that was found is taken off a captured copy.
struct Repair {
    enum Change {
        /// By the line's index in the file, from 0: what it becomes; `nil` when it goes.
        case lines([Int: [UInt8]?])
        case deletion
    }

    var path: String
    var change: Change
}

extension Repair {
    /// `text` put into one line, at a byte of the file.
    static func insertion(_ path: String, _ bytes: [UInt8], line: Int, _ range: Range<Int>, at: Int, _ text: String)
        -> Self
    {
        let changed = bytes[range.lowerBound..<at] + Array(text.utf8) + bytes[at..<range.upperBound]
        return Repair(path: path, change: .lines([line - 1: Array(changed)]))
    }

    /// Lines taken out.
    /// - Parameter places: the number of the first of them, from 1, and where they are.
    static func removal(_ path: String, _ bytes: [UInt8], _ places: [(number: Int, lines: Range<Int>)]) -> Self {
        var gone: [Int: [UInt8]?] = [:]
        for (number, lines) in places {
            for index in Fstab.lines(of: Array(bytes[lines])).indices {
                gone.updateValue(nil, forKey: number - 1 + index)
            }
        }
        return Repair(path: path, change: .lines(gone))
    }
}

/// All repairs of one file.
struct FileRepair {
    let path: String
    private let old: [UInt8]
    private let lines: [Range<Int>]
    private var changed: [Int: [UInt8]?] = [:]
    private var isDeleted = false

    init(_ path: String, _ bytes: [UInt8]) {
        self.path = path
        old = bytes
        lines = Fstab.lines(of: bytes)
    }

    mutating func add(_ repair: Repair) {
        switch repair.change {
        case .lines(let lines): changed.merge(lines) { first, _ in first }
        case .deletion: isDeleted = true
        }
    }

    /// What the file holds afterwards; `nil` when it is to be deleted. Every byte that nothing was said of stays.
    var bytes: [UInt8]? {
        guard !isDeleted else { return nil }
        var new: [UInt8] = []
        new.reserveCapacity(old.count + changed.count * 16)
        for (index, line) in lines.enumerated() {
            switch changed[index] {
            case .none: new += old[line]
            case .some(.none): continue
            case .some(.some(let replacement)): new += replacement
            }
            if line.upperBound < old.count { new.append(UInt8(ascii: "\n")) }
        }
        return new
    }

    /// - Parameter name: of the file, for people.
    func diff(_ name: String) -> String {
        isDeleted ? FileDiff.deletion(name, old) : FileDiff.changes(name, old, lines, changed)
    }
}
