import Glibc
import SockArrayCore

/// Asks the agent again and again until nothing is left, less often the longer it takes.
package struct QueueWait {
    let client: ControlClient
    let act: String
    let limit: Duration

    package init(client: ControlClient, act: String, limit: Duration) {
        self.client = client
        self.act = act
        self.limit = limit
    }

    /// - Parameter time: nothing was left for as long: a session that is being opened
    ///   has nothing to read for the time of a round trip.
    /// - Returns: what is left at the end of the limit.
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
            let pause = min(Patience.ofQueues.pause(after: now - start), deadline - now)
            usleep(UInt32(pause / .microseconds(1)))
        }
    }
}

extension DrainProgress {
    /// `512 bytes and 1 connection`.
    package var queueText: String {
        [
            queuedBytes == 0 ? nil : "\(queuedBytes) bytes",
            queuedConnections == 0 ? nil : "\(queuedConnections) connection" + (queuedConnections == 1 ? "" : "s"),
        ].compactMap(\.self).joined(separator: " and ")
    }
}
