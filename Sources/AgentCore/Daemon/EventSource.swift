import Glibc

/// Something that the agent's loop waits for, and serves when it is ready or due.
protocol EventSource: AnyObject {
    /// What to wait for; `serve` takes the results in the same order.
    var waits: [pollfd] { get }
    /// When it is to be served at the latest, CLOCK_MONOTONIC in nanoseconds.
    var nextDeadline: UInt64? { get }
    /// Never blocks for long: others wait meanwhile.
    func serve(_ results: ArraySlice<pollfd>, now: UInt64)
}
