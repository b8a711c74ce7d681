import Foundation
public import SystemPackage

/// Looks at the processes of this machine.
public enum Processes {
    /// Processes, other than this one, whose command line or environment contains `text`.
    public static func mentioning(_ text: String) -> [Int] {
        // Processes come and go while one looks: what cannot be read is gone.
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.compactMap { Int($0) }.filter { pid in
            guard pid != getpid() else { return false }
            return ["cmdline", "environ"].contains { file in
                guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/\(file)") else { return false }
                return data.range(of: Data(text.utf8)) != nil
            }
        }
    }

    public static func mode(of path: FilePath) -> UInt32 {
        var info = stat()
        return stat(path.string, &info) == 0 ? info.st_mode : .max
    }
}
