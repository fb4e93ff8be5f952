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
}
