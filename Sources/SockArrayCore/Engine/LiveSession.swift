import CBPFShim
import PoolModel

/// A TCP session of a pool's group that is established now.
struct LiveSession {
    let connection: TCPSession
    /// The collector's slot; nil: the program did not see the session begin.
    let slot: Slot?

    /// The sessions that sock_diag lists, with what the program noted of them.
    ///
    /// - Parameter isWanted: by the peer's address.
    static func all(
        of groups: [PoolGroup], _ sessions: borrowing SessionTable, where isWanted: (IPAddress) -> Bool = { _ in true }
    ) throws(KernelError) -> [LiveSession] {
        var live: [LiveSession] = []
        for port in groups.streamPorts {
            for connection in try TCPSession.all(onPort: port) where connection.isLive && isWanted(connection.peer) {
                let listeners = groups.listeners(of: connection.address, port: port)
                guard !listeners.isEmpty else { continue }
                var slot: Slot?
                for group in listeners where slot == nil {
                    slot = sessions.slot(ofPeer: connection.peer, port: connection.peerPort, group: group.number)
                }
                live.append(LiveSession(connection: connection, slot: slot))
            }
        }
        return live
    }
}

extension [PoolGroup] {
    /// Ports of the TCP groups.
    var streamPorts: Set<UInt16> { Set(filter { $0.group.transport == .tcp }.map(\.group.port)) }

    /// TCP groups to which a connection to the address may belong.
    func listeners(of address: IPAddress, port: UInt16) -> [PoolGroup] {
        filter {
            $0.group.transport == .tcp && $0.group.port == port
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
