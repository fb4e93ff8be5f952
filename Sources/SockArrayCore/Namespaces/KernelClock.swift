import CBPFShim
import Glibc
import PoolModel

/// The kernel's own CLOCK_MONOTONIC, by which the programs note times (bpf_ktime_get_ns()), also in a
/// time namespace.
public enum KernelClock {
    /// Read once: a process that has entered a time namespace stays there, and its offsets are fixed.
    public static let relation = ClockRelation(
        own: Directory.target(ofLink: "/proc/self/ns/time"),
        children: Directory.target(ofLink: "/proc/self/ns/time_for_children"),
        offsets: SmallFile.read("/proc/self/timens_offsets"))

    /// Zero if they are unknown: then the agent doesn't start (`ClockRelation.refusal`).
    static let offsets = relation.offsets ?? TimeOffsets()

    /// Nanoseconds since boot, without the time that the machine slept.
    public static var nanoseconds: UInt64 {
        UInt64(bitPattern: Int64(bitPattern: rpa_monotonic_ns()) &- offsets.monotonic)
    }

    static let ticksPerSecond = Int64(sysconf(Int32(_SC_CLK_TCK)))
}
