import Glibc

/// The kernel's clock ticks. Programs do some of their work once in so many.
enum Jiffies {
    /// Waits until so many jiffies have begun since the call.
    ///
    /// Each step of CLOCK_MONOTONIC_COARSE comes right after one of jiffies, so the first step after the call may
    /// belong to a jiffy from before it. Another step is spare, because adjtimex(2) can cause one, too.
    static func pass(_ count: Int = 1) {
        var (time, steps) = (coarseTime, 0)
        while steps < count + 2 {
            usleep(500)
            let now = coarseTime
            if now != time { (time, steps) = (now, steps + 1) }
        }
    }

    /// In nanoseconds.
    private static var coarseTime: Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}
