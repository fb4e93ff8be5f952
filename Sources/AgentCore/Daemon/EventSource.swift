import Glibc

/// An object that the agent's loop waits for, and serves in each turn.
protocol EventSource: AnyObject {
    /// The descriptors to wait for. `serve` receives the results in the same order.
    var waits: [pollfd] { get }
    /// When the next turn must begin; `distantPast` means at once, nil any time.
    var nextDeadline: ContinuousClock.Instant? { get }
    /// Must not block, because the other sources wait meanwhile.
    func serve(_ results: ArraySlice<pollfd>, now: ContinuousClock.Instant)
}
