import Glibc

/// Puts a throw-away layer over a disk of any number of backing files.
///
/// A qcow2 header has 1023 bytes for the name of its backing file, and a chain that is spelled out needs some hundred for
/// each file. So a long chain is cut into pieces. Each but the topmost gets an empty layer of its own, whose header spells
/// out the piece below it; the next piece stands on that layer. Nothing is left to guess anywhere, as in `BlockNode`
/// itself. Links with short names stand for the files, so that long paths take no room either.
struct LayerStack {
    /// What a qcow2 header holds.
    static let longestName = 1023

    private let folder: String
    private var links = 0
    private var layers = 0

    /// - Parameter folder: empty, private, and there for as long as the layer; a path of at most 200 bytes.
    init(in folder: String) { self.folder = folder }

    /// - Returns: the path of a layer that takes all that is written.
    mutating func put(over disk: BlockNode, _ qemuImg: QemuImg) async throws(ChildFailure) -> String {
        var below: BlockNode?
        for file in disk.files.reversed() {
            let file = try file.renamed { path throws(ChildFailure) in try link(to: path) }
            let higher = file.over(below)
            if higher.argument.utf8.count > Self.longestName, let piece = below {
                below = file.over(.layer(path: try await layer(over: piece, qemuImg)))
            } else {
                below = higher
            }
        }
        guard let below else { throw ChildFailure(kind: .notStarted, text: "a disk is made of no file") }
        return try await layer(over: below, qemuImg)
    }

    private mutating func layer(over node: BlockNode, _ qemuImg: QemuImg) async throws(ChildFailure) -> String {
        layers += 1
        let path = "\(folder)/layer\(layers).qcow2"
        try await qemuImg.createLayer(path, over: node)
        return path
    }

    private mutating func link(to path: String) throws(ChildFailure) -> String {
        links += 1
        let link = "\(folder)/f\(links)"
        guard symlink(path, link) == 0 else {
            throw ChildFailure(kind: .notStarted, text: "no link in \(folder): \(String(cString: strerror(errno)))")
        }
        return link
    }
}
