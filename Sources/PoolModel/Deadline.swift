extension ContinuousClock.Instant {
    /// Earlier than any measured time: what has this deadline is due at once.
    package static let distantPast = ContinuousClock.now - .seconds(1 << 32)
}

extension ContinuousClock.Instant? {
    /// Whether there is a deadline, and it has passed.
    package func isDue(at now: ContinuousClock.Instant) -> Bool { map { $0 <= now } ?? false }
}
