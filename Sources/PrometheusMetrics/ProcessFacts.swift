import Glibc

/// What the system says of this process. A number that cannot be read is 0.
public struct ProcessFacts: Sendable {
    public var residentBytes = 0.0
    public var processorSeconds = 0.0
    public var openFiles = 0.0

    public static func read() -> ProcessFacts {
        var facts = ProcessFacts()
        if let file = fopen("/proc/self/statm", "r") {
            defer { fclose(file) }
            var text = [CChar](repeating: 0, count: 256)
            if fgets(&text, CInt(text.count), file) != nil {
                let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
                let fields = String(decoding: bytes, as: UTF8.self).split(separator: " ")
                if fields.count > 1, let pages = Double(fields[1]) {
                    facts.residentBytes = pages * Double(sysconf(CInt(_SC_PAGESIZE)))
                }
            }
        }
        var time = timespec()
        if clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 {
            facts.processorSeconds = Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
        if let folder = opendir("/proc/self/fd") {
            defer { closedir(folder) }
            // Not itself, and neither `.` nor `..`.
            while readdir(folder) != nil { facts.openFiles += 1 }
            facts.openFiles = max(0, facts.openFiles - 3)
        }
        return facts
    }
}
