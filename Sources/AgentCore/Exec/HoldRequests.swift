/// Decides when `exec` asks the agent to extend the hold of its collector: while the command runs, hasn't bound all
/// of its sockets, and exporters are held for it. The agent limits the extension.
struct HoldRequests {
    /// The agent's last status showed that exporters are held for the collector.
    var isHeld = false
    /// The last search found no process with a socket for every group.
    var isIncomplete = false
    private var next: ContinuousClock.Instant = .distantPast
    static let pause: Duration = .milliseconds(250)
    /// After a refusal: an older agent doesn't know the request.
    static let refusedPause: Duration = .seconds(60)

    /// - Returns: true if a request is to be sent now; the next one is due a pause later.
    mutating func takeDue(at now: ContinuousClock.Instant) -> Bool {
        guard isHeld, isIncomplete, now >= next else { return false }
        next = now + Self.pause
        return true
    }

    mutating func noteRefusal(at now: ContinuousClock.Instant) { next = now + Self.refusedPause }
}
