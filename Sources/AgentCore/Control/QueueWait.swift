import Glibc
import PoolModel

extension ControlClient {
    /// How long the queues of a replaced process must be empty: a round trip to a distant router, plus a margin.
    package static let settling: Duration = .milliseconds(250)

    /// Polls the agent until no data and no sessions remain, less often the longer that takes.
    ///
    /// - Parameters:
    ///   - time: how long nothing must remain. A session that is being opened has nothing to read for one
    ///     round trip.
    ///   - request: asks for what remains.
    /// - Returns: the remaining data and sessions; not empty if the limit passed first.
    package func waitUntilEmpty(
        for time: Duration = .zero, limit: Duration, act: String, _ request: ControlRequest
    ) throws(Failure) -> DrainProgress {
        let start = ContinuousClock.now
        let deadline = start + limit
        var emptySince: ContinuousClock.Instant?
        while true {
            let progress = try ask(request, act: act, for: \.progress)
            let now = ContinuousClock.now
            emptySince = progress.isEmpty ? emptySince ?? now : nil
            if let emptySince, now - emptySince >= time { return progress }
            if now >= deadline { return progress }
            let pause = min(PollBackoff.queues.pause(after: now - start), deadline - now)
            usleep(UInt32(pause / .microseconds(1)))
        }
    }
}
