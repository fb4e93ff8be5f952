import CBPFShim

/// Entries of sessions that are over. The kernel makes room where the map is full, but takes
/// the entry that is longest there: that of a session that lives, maybe.
extension DataPlane {
    /// What the last sweep left for this one.
    struct LastSweep {
        /// What the programs had delivered by then.
        var runs: UInt64 = 0
        /// Entries without a session, with their starts. A list of sessions may miss one: see
        /// `SocketDump`.
        var suspects: [SessionKey: UInt64] = [:]
    }

    /// Forgets sessions that are over.
    ///
    /// - Parameters:
    ///   - count: only when so many have begun since the last time. By default, as many as
    ///     take an eighth of the map.
    ///   - margin: a session that began within this time stays: it may be in no list yet.
    /// - Returns: it has left some, that it will forget the next time: shortly.
    public func sweepSessions(
        after count: UInt64 = sweepThreshold, margin: Duration = sweepMargin, act: String
    ) throws(Failure) -> Bool {
        try attempt(act) { () throws(KernelError) in
            let runs = try streamRuns()
            // Less: a group has left.
            guard !sweep.suspects.isEmpty || runs < sweep.runs || runs - sweep.runs >= count else {
                return false
            }
            let now = rpa_monotonic_ns()
            // The machine may have started within the margin.
            let moment = now - min(now, UInt64(margin / .nanoseconds(1)))
            let live = try liveSessionKeys()
            var suspects: [SessionKey: UInt64] = [:]
            for (key, start) in try sessions.all() where start <= moment && !live.contains(key) {
                if sweep.suspects[key] == start {
                    sessions.forget(key, until: start)
                } else {
                    suspects[key] = start
                }
            }
            sweep = LastSweep(runs: runs, suspects: suspects)
            return !suspects.isEmpty
        }
    }

    public static let sweepThreshold = UInt64(RPA_SESSIONS / 8)
    public static let sweepMargin = Duration.milliseconds(100)

    private func streamRuns() throws(KernelError) -> UInt64 {
        var sum: UInt64 = 0
        for group in groups where group.group.transport == .tcp {
            for traffic in try group.rawTraffic() { sum += traffic.runs }
        }
        return sum
    }

    private func liveSessionKeys() throws(KernelError) -> Set<SessionKey> {
        var keys: Set<SessionKey> = []
        for port in Self.streamPorts(of: groups) {
            for connection in try TCPSession.all(onPort: port) {
                for group in Self.listeners(of: connection.address, port: port, among: groups) {
                    keys.insert(SessionKey(peer: connection.peer, port: connection.peerPort, group: group.number))
                }
            }
        }
        return keys
    }
}
