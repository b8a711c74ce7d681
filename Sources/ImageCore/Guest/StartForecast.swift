/// Something that a start of the guest mounts, swaps to or decrypts: a line of `/etc/fstab` or `/etc/crypttab`, or a unit
/// of systemd's.
struct StartItem {
    enum Origin: Equatable {
        case fstab(line: Int)
        case crypttab(line: Int)
        /// - Parameter path: in the guest.
        case unit(path: String)
    }

    enum Want {
        /// The start gives up without it.
        case required
        /// The start waits for it, and goes on.
        case awaited
        case optional
    }

    var origin: Origin
    /// Whether it stands for the automount of its line and not for what that mounts.
    var isAutomount = false
    var isSwap = false
    var want: Want
    /// Devices that must be there, by any of their names.
    var devices: [String] = []
    /// The file system that is looked for on the first device.
    var type: String?
    /// Where it is mounted.
    var target: String?
    /// Other paths whose file systems must be mounted first.
    var paths: [String] = []
}

/// What becomes of a start's items in an instance that has the system disk alone. Items hang on each other as systemd
/// has it (systemd.mount(5), "implicit dependencies"): on what is mounted above them, and above what they are made from.
struct StartForecast {
    enum Outcome: Equatable {
        case works
        /// - Parameter why: goes on a sentence: "is not on the system disk".
        case fails(why: String)
        /// What it hangs on fails.
        /// - Parameter on: the number of that item.
        case hangs(on: Int)
        /// - Parameter why: goes on a sentence.
        case unknown(why: String)
    }

    let items: [StartItem]
    private(set) var outcomes: [Outcome]

    /// Takes time in proportion to the length of all paths.
    init(_ items: [StartItem], _ volumes: SystemVolumes) {
        self.items = items
        outcomes = items.map { item in
            for (index, device) in item.devices.enumerated() {
                switch volumes.presence(of: device, type: index == 0 ? item.type : nil) {
                case .here: continue
                case .gone(let why):
                    return .fails(why: index == 0 ? why : "needs \(PlainText.word(device)), which \(why)")
                case .unknown(let why):
                    return .unknown(why: index == 0 ? why : "needs \(PlainText.word(device)), which \(why)")
                }
            }
            return .works
        }
        var tree = PathTree()
        for (number, item) in items.enumerated() {
            if let target = item.target {
                tree.watch(target, by: number, includingItself: false)
            }
            for path in item.paths { tree.watch(path, by: number, includingItself: true) }
        }
        spread(through: tree) {
            if case .fails = $0 { true } else { false }
        } to: {
            .hangs(on: $0)
        }
        spread(through: tree) {
            if case .unknown = $0 { true } else { false }
        } to: { cause in
            .unknown(why: "depends on \(Self.words(items[cause]))")
        }
    }

    /// Everything that hangs on what has this outcome, step by step.
    private mutating func spread(
        through tree: PathTree,
        from isCause: (Outcome) -> Bool,
        to outcome: (_ cause: Int) -> Outcome
    ) {
        var causes = outcomes.indices.filter { isCause(outcomes[$0]) }
        var seen: Set<String> = []
        var next = 0
        while next < causes.count {
            let cause = causes[next]
            next += 1
            guard let target = items[cause].target, !items[cause].isAutomount, seen.insert(target).inserted else {
                continue
            }
            for number in tree.watchers(of: target) where outcomes[number] == .works {
                outcomes[number] = outcome(cause)
                causes.append(number)
            }
        }
    }

    static func words(_ item: StartItem) -> String {
        let target = item.target.map { " (\(PlainText.word($0)))" } ?? ""
        return switch item.origin {
        case .fstab(let line), .crypttab(let line): "line \(line)\(target)"
        case .unit(let path): PlainText.word(path.split(separator: "/").last.map(String.init) ?? path)
        }
    }
}

/// The folders of a guest that items need, each with those that need it or something below it.
private struct PathTree {
    private var children: [[String: Int]] = [[:]]
    private var watching: [[Int]] = [[]]

    /// What is longer is no path to the kernel.
    private static let lengthLimit = 4096

    private static func parts(_ path: String) -> [String]? {
        guard path.hasPrefix("/"), path.utf8.count < lengthLimit else { return nil }
        return path.split(separator: "/", omittingEmptySubsequences: true).filter { $0 != "." }.map(String.init)
    }

    mutating func watch(_ path: String, by number: Int, includingItself: Bool) {
        guard let parts = Self.parts(path) else { return }
        var node = 0
        for (index, part) in parts.enumerated() {
            node = child(part, of: node)
            if index < parts.count - 1 || includingItself { watching[node].append(number) }
        }
    }

    private mutating func child(_ name: String, of node: Int) -> Int {
        if let child = children[node][name] { return child }
        children[node][name] = children.count
        children.append([:])
        watching.append([])
        return children.count - 1
    }

    func watchers(of path: String) -> [Int] {
        guard let parts = Self.parts(path), !parts.isEmpty else { return [] }
        var node = 0
        for part in parts {
            guard let child = children[node][part] else { return [] }
            node = child
        }
        return watching[node]
    }
}
