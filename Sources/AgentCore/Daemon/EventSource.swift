import Glibc

/// An object that the agent's loop waits for, and serves in each turn.
protocol EventSource: AnyObject {
    /// The descriptors to wait for. `serve` receives the results in the same order.
    var waits: [pollfd] { get }
    /// When the next turn must begin, CLOCK_MONOTONIC in nanoseconds; 0 means at once, nil any time.
    var nextDeadline: UInt64? { get }
    /// Must not block, because the other sources wait meanwhile.
    func serve(_ results: ArraySlice<pollfd>, now: UInt64)
}
