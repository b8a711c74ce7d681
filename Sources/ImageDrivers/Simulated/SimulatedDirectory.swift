import Glibc
import ImageCore
import Synchronization

/// Where a simulated system keeps its markers: small named pieces of JSON, in memory or, so that several processes can
/// share one system, as files in a folder.
protocol SimulatedDirectory: Sendable {
    func read(_ name: String) throws(StepFailure) -> [UInt8]?
    func write(_ bytes: [UInt8], to name: String) throws(StepFailure)
    func delete(_ name: String) throws(StepFailure)
    /// The names directly in a folder, sorted.
    func names(in folder: String) throws(StepFailure) -> [String]
}

final class MemoryDirectory: SimulatedDirectory {
    private let pieces = Mutex<[String: [UInt8]]>([:])

    func read(_ name: String) -> [UInt8]? { pieces.withLock { $0[name] } }
    func write(_ bytes: [UInt8], to name: String) { pieces.withLock { $0[name] = bytes } }
    func delete(_ name: String) { pieces.withLock { $0[name] = nil } }

    func names(in folder: String) -> [String] {
        let prefix = folder + "/"
        return pieces.withLock { pieces in
            pieces.keys.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }.sorted()
        }
    }
}

struct FileDirectory: SimulatedDirectory {
    var root: String
    private static let markerLimit = 16 << 20

    func read(_ name: String) throws(StepFailure) -> [UInt8]? {
        try filing(at: .storage) { () throws(FileFailure) in
            do throws(FileFailure) {
                return try FileCalls.read(root + "/" + name, limit: Self.markerLimit)
            } catch {
                guard error.code == ENOENT else { throw error }
                return nil
            }
        }
    }

    func write(_ bytes: [UInt8], to name: String) throws(StepFailure) {
        let path = root + "/" + name
        try filing(at: .storage) { () throws(FileFailure) in
            do throws(FileFailure) {
                try FileCalls.writeAtomically(bytes, to: path, isDurable: false)
            } catch {
                guard error.code == ENOENT else { throw error }
                try FileCalls.makeFolder(FileCalls.folder(of: path))
                try FileCalls.writeAtomically(bytes, to: path, isDurable: false)
            }
        }
    }

    func delete(_ name: String) throws(StepFailure) {
        try filing(at: .storage) { () throws(FileFailure) in
            try FileCalls.deleteTree(root + "/" + name)
            try FileCalls.deleteTree(root + "/" + name + LocalFolders.partialSuffix)
        }
    }

    func names(in folder: String) throws(StepFailure) -> [String] {
        try filing(at: .storage) { () throws(FileFailure) in
            try FileCalls.names(in: root + "/" + folder).filter { !$0.hasSuffix(LocalFolders.partialSuffix) }
        }
    }
}
