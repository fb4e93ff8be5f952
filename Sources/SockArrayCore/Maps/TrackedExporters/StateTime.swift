import CBPFShim
import Glibc
import PoolModel

/// The time in the states of counters: units of 64 jiffies, modulo 2^14.
enum StateTime {
    /// About 0.06 to 0.6 s. A jiffy is the resolution of the kernel's coarse clocks (clock_getres(2)).
    static let unit: Duration = {
        var jiffy = timespec()
        clock_getres(CLOCK_MONOTONIC_COARSE, &jiffy)
        return .nanoseconds(jiffy.tv_nsec) * (1 << RPA_STATE_JIFFIES_SHIFT)
    }()

    /// How much later a time is than another one, if they are less than half of the range apart.
    static func difference(_ time: UInt64, _ other: UInt64) -> Int {
        let unused = UInt64.bitWidth - Int(RPA_STATE_TIME_BITS)
        return Int(Int64(bitPattern: (time &- other) << UInt64(unused)) >> Int64(unused))
    }

    /// For rpa_settings.update_mask: the entry of an exporter is updated once in this time, rounded down to a
    /// power of two of units; zero: by each run.
    static func updateMask(period: Duration) -> UInt64 {
        guard period > .zero else { return UInt64(RPA_UPDATE_ALWAYS) }
        return UInt64((1 << Int(RPA_STATE_TIME_BITS)) - units(of: period))
    }

    /// A power of two.
    static func units(of period: Duration) -> Int {
        let units = min(max(Int(period / unit), 1), longestPeriod)
        return 1 << (Int.bitWidth - 1 - units.leadingZeroBitCount)
    }

    /// 16 to 164 s, and little of the range: an exporter that pauses for nearly a multiple of the range would seem to
    /// have sent a moment before.
    private static let longestPeriod = 1 << 8
}
