import Glibc
import PoolModel

/// Polls the agent until no data and no sessions remain, less often the longer that takes.
package struct QueueWait {
    let client: ControlClient
    let act: String
    let limit: Duration

    package init(client: ControlClient, act: String, limit: Duration) {
        self.client = client
        self.act = act
        self.limit = limit
    }

    /// - Parameter time: how long nothing must remain. A session that is being opened
    ///   has nothing to read for one round trip.
    /// - Returns: the remaining data and sessions; not empty if the limit passed first.
    package func untilEmpty(for time: Duration = .zero, _ request: () -> ControlRequest) throws(Failure)
        -> DrainProgress
    {
        let start = ContinuousClock.now
        let deadline = start + limit
        var emptySince: ContinuousClock.Instant?
        while true {
            let reply = try client.send(request(), act: act)
            guard case .progress(let progress) = reply else { throw reply.unexpected(act: act) }
            let now = ContinuousClock.now
            emptySince = progress.isEmpty ? emptySince ?? now : nil
            if let emptySince, now - emptySince >= time { return progress }
            if now >= deadline { return progress }
            let pause = min(PollBackoff.queues.pause(after: now - start), deadline - now)
            usleep(UInt32(pause / .microseconds(1)))
        }
    }
}

extension DrainProgress {
    /// The queued data as text: `512 bytes and 1 connection`.
    package var queueText: String {
        [
            queuedBytes == 0 ? nil : "\(queuedBytes) bytes",
            queuedConnections == 0 ? nil : "\(queuedConnections) connection" + (queuedConnections == 1 ? "" : "s"),
        ].compactMap(\.self).joined(separator: " and ")
    }
}
