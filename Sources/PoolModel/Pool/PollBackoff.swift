/// The pauses between two polls: a fraction of the time since the first poll, within limits.
public struct PollBackoff: Sendable {
    public let shortest: Duration
    public let longest: Duration
    /// The pause as a fraction of the time since the first poll.
    public let fraction: Double

    public init(shortest: Duration, longest: Duration, fraction: Double) {
        self.shortest = shortest
        self.longest = longest
        self.fraction = fraction
    }

    /// - Parameter time: the time since the first poll.
    public func pause(after time: Duration) -> Duration { min(longest, max(shortest, time * fraction)) }

    /// For a collector that is down: every 25 ms in the first minute, when a restart is likely, and
    /// every 250 ms from the tenth minute on.
    public static let discovery = PollBackoff(
        shortest: .milliseconds(25), longest: .milliseconds(250), fraction: 1 / 2_400)

    /// For queues that a process empties: every 10 ms at first, and every 100 ms after a second.
    public static let queues = PollBackoff(shortest: .milliseconds(10), longest: .milliseconds(100), fraction: 0.1)
}
