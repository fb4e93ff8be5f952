import Glibc

extension pollfd {
    /// Waits for input. poll(2) ignores a descriptor that is nil.
    init(reading number: Int32?) { self.init(fd: number ?? -1, events: Int16(POLLIN), revents: 0) }

    /// Waits for room. poll(2) ignores a descriptor that is nil.
    init(writing number: Int32?) { self.init(fd: number ?? -1, events: Int16(POLLOUT), revents: 0) }
}

/// Waits for the descriptors until the deadline, and at most 60 s.
func poll(_ waits: inout [pollfd], until deadline: ContinuousClock.Instant) {
    let left = max(.zero, deadline - ContinuousClock.now) / .milliseconds(1)
    Glibc.poll(&waits, UInt(waits.count), Int32(min(left.rounded(.up), 60_000)))
}
