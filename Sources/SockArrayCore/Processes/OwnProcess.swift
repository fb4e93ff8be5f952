import Glibc
import PoolModel

/// This process, as /proc/self shows it (proc(5)).
public enum OwnProcess {
    /// Zeros for values that can't be read.
    public static func usage() -> ProcessUsage {
        let fields = ProcessFacts.statFields(of: "self")
        // Numbered as in proc(5), from 3 on.
        func field(_ number: Int) -> UInt64 { fields.count > number - 3 ? UInt64(fields[number - 3]) ?? 0 : 0 }
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return ProcessUsage(
            cpuSeconds: Double(field(14) + field(15)) / ticksPerSecond,
            residentBytes: field(24) * UInt64(sysconf(Int32(_SC_PAGESIZE))), virtualBytes: field(23),
            // Without the descriptor that lists them.
            openFiles: max(0, Directory.names(in: "/proc/self/fd").count - 1), maxFiles: UInt64(limit.rlim_cur),
            startTime: bootTime + Double(field(22)) / ticksPerSecond)
    }

    private static let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))

    /// Read once: setting the clock does not move a process's start. Unix time in seconds.
    private static let bootTime: Double = {
        var (now, uptime) = (timespec(), timespec())
        clock_gettime(CLOCK_REALTIME, &now)
        clock_gettime(CLOCK_BOOTTIME, &uptime)
        return Double(now.tv_sec - uptime.tv_sec) + Double(now.tv_nsec - uptime.tv_nsec) / 1e9
    }()
}
