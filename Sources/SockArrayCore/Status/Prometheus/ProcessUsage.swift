/// What the agent's own process uses: the metrics that every Prometheus client has.
public struct ProcessUsage: Equatable, Sendable {
    /// User and system time.
    public var cpuSeconds: Double
    public var residentBytes: UInt64
    public var virtualBytes: UInt64
    public var openFiles: Int
    /// RLIMIT_NOFILE.
    public var maxFiles: UInt64
    /// Unix time in seconds.
    public var startTime: Double

    public init(
        cpuSeconds: Double, residentBytes: UInt64, virtualBytes: UInt64, openFiles: Int, maxFiles: UInt64,
        startTime: Double
    ) {
        self.cpuSeconds = cpuSeconds
        self.residentBytes = residentBytes
        self.virtualBytes = virtualBytes
        self.openFiles = openFiles
        self.maxFiles = maxFiles
        self.startTime = startTime
    }

    var families: [MetricFamily] {
        [
            MetricFamily(
                "process_cpu_seconds_total", .counter, "User and system time of the agent's process.", cpuSeconds),
            MetricFamily(
                "process_resident_memory_bytes", .gauge, "Resident memory of the agent's process.",
                residentBytes),
            MetricFamily(
                "process_virtual_memory_bytes", .gauge, "Address space of the agent's process.", virtualBytes),
            MetricFamily("process_open_fds", .gauge, "Descriptors that the agent's process has open.", openFiles),
            MetricFamily(
                "process_max_fds", .gauge, "Limit of open descriptors of the agent's process.", maxFiles),
            MetricFamily(
                "process_start_time_seconds", .gauge, "When the agent's process was started, in Unix time.",
                startTime),
        ]
    }
}
