/// How long to wait before what is looked for is looked for again: a part of the time
/// that it has been looked for already, within limits.
public struct Patience: Sendable {
    public let shortest: Duration
    public let longest: Duration
    /// Of the time since the start.
    public let part: Double

    public init(shortest: Duration, longest: Duration, part: Double) {
        self.shortest = shortest
        self.longest = longest
        self.part = part
    }

    /// - Parameter time: since it was looked for first.
    public func pause(after time: Duration) -> Duration { min(longest, max(shortest, time * part)) }

    /// A collector that is away: each 25 ms in the first minute, when a restart is likely;
    /// from the tenth on each 250 ms.
    public static let ofDiscovery = Patience(
        shortest: .milliseconds(25), longest: .milliseconds(250), part: 1 / 2_400)

    /// Queues that a process reads empty: each 10 ms, from the first second on each 100 ms.
    public static let ofQueues = Patience(shortest: .milliseconds(10), longest: .milliseconds(100), part: 0.1)
}
