import PoolModel

/// The TCP sessions of a pool's groups: sock_diag lists which are established, and a map names the
/// collector that the program chose for each.
final class SessionIndex {
    private let pool: ActivePool
    private var lastSweep = Sweep()

    init(_ pool: ActivePool) { self.pool = pool }

    /// - Parameters:
    ///   - withCourse: with the kernel's measurements of each session.
    ///   - isWanted: by the peer's address.
    func live(
        withCourse: Bool = false, where isWanted: (IPAddress) -> Bool = { _ in true }
    ) throws(KernelError) -> [LiveSession] {
        try LiveSession.all(
            of: pool.deployment.groups, pool.maps.sessions, withCourse: withCourse, where: isWanted)
    }

    /// Notes connections that a collector had accepted before the program saw any.
    func note(_ accepted: [SocketFacts], of slot: Slot) {
        for socket in accepted {
            guard let peer = socket.peer else { continue }
            let listeners = pool.deployment.groups.listeners(
                of: socket.address, port: socket.port, interface: socket.interface)
            for group in listeners {
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
        let now = KernelClock.nanoseconds
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
                for group in groups.listeners(of: connection, port: port) {
                    keys.insert(SessionKey(peer: connection.peer, port: connection.peerPort, group: group.number))
                }
            }
        }
        return keys
    }
}

/// A TCP session of a pool's group that is established now.
struct LiveSession {
    let connection: TCPSession
    /// The collector's slot; nil: the program did not see the session begin.
    let slot: Slot?
    /// The group that the program noted, otherwise the first to which the session may belong.
    let group: ReuseportGroup

    /// The sessions that sock_diag lists, with what the program noted of them.
    ///
    /// - Parameters:
    ///   - withCourse: with the kernel's measurements of each session.
    ///   - isWanted: by the peer's address.
    static func all(
        of groups: [PoolGroup], _ sessions: borrowing SessionTable, withCourse: Bool = false,
        where isWanted: (IPAddress) -> Bool = { _ in true }
    ) throws(KernelError) -> [LiveSession] {
        var live: [LiveSession] = []
        for port in groups.streamPorts {
            for connection in try TCPSession.all(onPort: port, withCourse: withCourse)
            where connection.isLive && isWanted(connection.peer) {
                let listeners = groups.listeners(of: connection, port: port)
                guard var group = listeners.first else { continue }
                var slot: Slot?
                for listener in listeners where slot == nil {
                    slot = sessions.slot(ofPeer: connection.peer, port: connection.peerPort, group: listener.number)
                    if slot != nil { group = listener }
                }
                live.append(LiveSession(connection: connection, slot: slot, group: group.group))
            }
        }
        return live
    }
}

extension [PoolGroup] {
    /// Ports of the TCP groups.
    var streamPorts: Set<UInt16> { Set(filter { $0.group.transport == .tcp }.map(\.group.port)) }

    /// TCP groups to which the connection may belong. One that a listener of an interface has accepted is bound to
    /// the interface, too.
    func listeners(of connection: TCPSession, port: UInt16) -> [PoolGroup] {
        listeners(of: connection.address, port: port, interface: NetworkInterface.name(of: connection.interface))
    }

    func listeners(of address: IPAddress, port: UInt16, interface: String?) -> [PoolGroup] {
        filter {
            $0.group.transport == .tcp && $0.group.port == port
                && ($0.group.interface == nil || $0.group.interface == interface)
                && ($0.group.address.isWildcard || $0.group.address.unmapped == address.unmapped)
        }
    }
}

/// A live session with the row of its exporter and the slot of its collector, which is there.
struct PlacedSession {
    let connection: TCPSession
    let row: Int
    let slot: Slot

    /// - Parameter formerly: by row, the slot of sessions that the program did not see begin.
    static func all(
        of live: [LiveSession], in table: AssignmentTable, _ availability: SlotAvailability, formerly: [Int: Slot] = [:]
    ) -> [PlacedSession] {
        live.compactMap { session in
            guard let row = table.row(of: session.connection.peer), let slot = session.slot ?? formerly[row],
                availability[slot] == .usable
            else { return nil }
            return PlacedSession(connection: session.connection, row: row, slot: slot)
        }
    }
}

extension [PlacedSession] {
    /// Rows none of whose sessions is at the collector that the row leads to: the slot of most of
    /// these sessions, by row index.
    func misplaced(_ availability: SlotAvailability, row: (Int) -> BucketRow) -> [Int: Slot] {
        var counts: [Int: [Slot: Int]] = [:]
        for session in self { counts[session.row, default: [:]][session.slot, default: 0] += 1 }
        var slots: [Int: Slot] = [:]
        for (index, bySlot) in counts {
            if let leads = availability.deliverer(of: row(index), at: index), bySlot[leads] != nil { continue }
            slots[index] = bySlot.max { ($0.value, $1.key) < ($1.value, $0.key) }!.key
        }
        return slots
    }
}
