import CBPFShim
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

/// Turns times since boot (CLOCK_MONOTONIC) into Unix time, as the clocks stand now.
public struct BootClock: Sendable {
    /// Unix time in seconds of the boot, as far as CLOCK_MONOTONIC knows: it doesn't
    /// count the time that the machine slept.
    private let bootTime: Double

    public static func now() -> BootClock {
        BootClock(bootTime: WallClock.now - Double(rpa_monotonic_ns()) / 1e9)
    }

    /// In seconds.
    public func unixTime(of time: Duration) -> Double { bootTime + time / .seconds(1) }
}
