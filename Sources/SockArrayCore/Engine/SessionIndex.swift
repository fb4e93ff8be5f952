import CBPFShim
import PoolModel

/// The TCP sessions of a pool's groups: sock_diag lists which are established, and a map names the
/// collector that the program chose for each.
final class SessionIndex {
    private let pool: ActivePool
    private var lastSweep = Sweep()

    init(_ pool: ActivePool) { self.pool = pool }

    /// - Parameter isWanted: by the peer's address.
    func live(where isWanted: (IPAddress) -> Bool = { _ in true }) throws(KernelError) -> [LiveSession] {
        try LiveSession.all(of: pool.deployment.groups, pool.maps.sessions, where: isWanted)
    }

    /// Notes connections that a collector had accepted before the program saw any.
    func note(_ accepted: [SocketFacts], of slot: Slot) {
        for socket in accepted {
            guard let peer = socket.peer else { continue }
            for group in pool.deployment.groups.listeners(of: socket.address, port: socket.port) {
                pool.maps.sessions.note(slot, ofPeer: peer.address, port: peer.port, group: group.number)
            }
        }
    }

    /// What one sweep leaves for the next one.
    private struct Sweep {
        /// Runs that the programs had delivered by then.
        var runs: UInt64 = 0
        /// Entries without a session, with their starts. One listing may miss a session: see
        /// `SocketDump`.
        var suspects: [SessionKey: UInt64] = [:]
    }

    /// Removes the entries of sessions that have ended. Otherwise the kernel makes room in a full map
    /// by removing the oldest entry, which may be that of a live session.
    ///
    /// - Parameters:
    ///   - count: does nothing until so many sessions have begun since the last sweep.
    ///   - margin: keeps entries that are younger: their session may be in no listing yet.
    /// - Returns: some entries were found that the next sweep removes; it should follow shortly.
    func sweep(after count: UInt64, margin: Duration) throws(KernelError) -> Bool {
        let runs = try streamRuns()
        // Fewer runs: a group has left the pool.
        guard !lastSweep.suspects.isEmpty || runs < lastSweep.runs || runs - lastSweep.runs >= count else {
            return false
        }
        let now = rpa_monotonic_ns()
        // The machine may have started within the margin.
        let moment = now - min(now, UInt64(margin / .nanoseconds(1)))
        let live = try liveKeys()
        var suspects: [SessionKey: UInt64] = [:]
        for (key, start) in try pool.maps.sessions.all() where start <= moment && !live.contains(key) {
            if lastSweep.suspects[key] == start {
                pool.maps.sessions.forget(key, until: start)
            } else {
                suspects[key] = start
            }
        }
        lastSweep = Sweep(runs: runs, suspects: suspects)
        return !suspects.isEmpty
    }

    private func streamRuns() throws(KernelError) -> UInt64 {
        var sum: UInt64 = 0
        for group in pool.deployment.groups where group.group.transport == .tcp {
            for traffic in try group.rawTraffic() { sum += traffic.runs }
        }
        return sum
    }

    private func liveKeys() throws(KernelError) -> Set<SessionKey> {
        let groups = pool.deployment.groups
        var keys: Set<SessionKey> = []
        for port in groups.streamPorts {
            for connection in try TCPSession.all(onPort: port) {
                for group in groups.listeners(of: connection.address, port: port) {
                    keys.insert(SessionKey(peer: connection.peer, port: connection.peerPort, group: group.number))
                }
            }
        }
        return keys
    }
}
