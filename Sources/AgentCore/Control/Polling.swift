import Glibc

extension pollfd {
    /// Waits for input. poll(2) ignores a descriptor that is nil.
    init(reading number: Int32?) { self.init(fd: number ?? -1, events: Int16(POLLIN), revents: 0) }

    /// Waits for room. poll(2) ignores a descriptor that is nil.
    init(writing number: Int32?) { self.init(fd: number ?? -1, events: Int16(POLLOUT), revents: 0) }
}

/// Waits for the descriptors until the deadline, and at most 60 s; nil: without a limit.
///
/// - Returns: the result of poll(2).
@discardableResult
func poll(_ waits: inout [pollfd], until deadline: ContinuousClock.Instant?) -> Int32 {
    let left = deadline.map { max(.zero, $0 - ContinuousClock.now) / .milliseconds(1) }
    return Glibc.poll(&waits, UInt(waits.count), left.map { Int32(min($0.rounded(.up), 60_000)) } ?? -1)
}
