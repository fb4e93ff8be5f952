import PoolModel

extension ProcessUsage {
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
