import Glibc
import SockArrayCore

/// Asks the agent again and again until nothing is left.
struct QueueWait {
    let client: ControlClient
    let act: String
    let limit: Duration

    /// - Returns: what is left at the end of the limit.
    func untilEmpty(_ request: () -> ControlRequest) throws(Failure) -> DrainProgress {
        let deadline = ContinuousClock.now + limit
        while true {
            let reply = try client.send(request(), act: act)
            guard case .progress(let progress) = reply else { throw reply.unexpected(act: act) }
            if progress.isEmpty || ContinuousClock.now >= deadline { return progress }
            usleep(10_000)
        }
    }
}

extension DrainProgress {
    /// `512 bytes and 1 connection`.
    var queueText: String {
        [
            queuedBytes == 0 ? nil : "\(queuedBytes) bytes",
            queuedConnections == 0 ? nil : "\(queuedConnections) connection" + (queuedConnections == 1 ? "" : "s"),
        ].compactMap(\.self).joined(separator: " and ")
    }
}
