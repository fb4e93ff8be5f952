import Glibc

/// CLOCK_REALTIME.
public enum WallClock {
    /// Unix time in seconds.
    public static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// Converts times since boot (`KernelClock`) to Unix time by the present offset of the clocks.
public struct BootClock: Sendable {
    /// Unix time in seconds of the boot, by a clock that doesn't count the time that the machine slept.
    private let bootTime: Double

    public static func now() -> BootClock {
        BootClock(bootTime: WallClock.now - Double(KernelClock.nanoseconds) / 1e9)
    }

    /// Unix time in seconds.
    public func unixTime(of time: Duration) -> Double { bootTime + time / .seconds(1) }
}
