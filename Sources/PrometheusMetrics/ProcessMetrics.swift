/// What every process that is watched shows of itself, under the names that Prometheus' own libraries use.
public enum ProcessMetrics {
    static let build = Metric("goldsmith_build_info", .gauge, by: ["version"], "Always 1.")
    static let memory = Metric("process_resident_memory_bytes", .gauge, "Memory of this process.")
    static let processor = Metric("process_cpu_seconds_total", .counter, "Processor time of this process.")
    static let files = Metric("process_open_fds", .gauge, "Open file descriptors of this process.")
    static let started = Metric("process_start_time_seconds", .gauge, "When this process began, since 1970.")

    public static let all = [build, memory, processor, files, started]

    /// - Parameter moment: in seconds since 1970.
    public static func began(version: String, at moment: Double, on registry: MetricsRegistry) {
        registry.set(build, version, to: 1)
        registry.set(started, to: moment)
    }

    public static func note(_ facts: ProcessFacts, on registry: MetricsRegistry) {
        registry.set(memory, to: facts.residentBytes)
        registry.set(processor, to: facts.processorSeconds)
        registry.set(files, to: facts.openFiles)
    }
}
