/// What every process that is watched shows of itself, under the names that Prometheus' own libraries use.
public enum ProcessMeasures {
    static let build = Measure("goldsmith_build_info", .gauge, by: ["version"], "Always 1.")
    static let memory = Measure("process_resident_memory_bytes", .gauge, "Memory of this process.")
    static let processor = Measure("process_cpu_seconds_total", .counter, "Processor time of this process.")
    static let files = Measure("process_open_fds", .gauge, "Open file descriptors of this process.")
    static let started = Measure("process_start_time_seconds", .gauge, "When this process began, since 1970.")

    public static let all = [build, memory, processor, files, started]

    /// - Parameter moment: in seconds since 1970.
    public static func began(version: String, at moment: Double, on board: MeasureBoard) {
        board.set(build, version, to: 1)
        board.set(started, to: moment)
    }

    public static func note(_ facts: ProcessFacts, on board: MeasureBoard) {
        board.set(memory, to: facts.residentBytes)
        board.set(processor, to: facts.processorSeconds)
        board.set(files, to: facts.openFiles)
    }
}
