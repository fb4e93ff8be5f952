import CBPFShim

/// TCP sessions of the pool's groups.
extension DataPlane {
    /// A session that lives now.
    struct LiveSession {
        let connection: TCPSession
        /// Whose it is; nil: the program didn't see it begin.
        let slot: Slot?
    }

    /// - Parameter isWanted: by the peer's address.
    func liveSessions(
        where isWanted: (IPAddress) -> Bool = { _ in true }
    ) throws(KernelError) -> [LiveSession] {
        try Self.liveSessions(of: groups, sessions, where: isWanted)
    }

    static func liveSessions(
        of groups: [GroupPlane], _ sessions: borrowing SessionTable, where isWanted: (IPAddress) -> Bool = { _ in true }
    ) throws(KernelError) -> [LiveSession] {
        var live: [LiveSession] = []
        for port in streamPorts(of: groups) {
            for connection in try TCPSession.all(onPort: port) where connection.isLive && isWanted(connection.peer) {
                let listeners = listeners(of: connection.address, port: port, among: groups)
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

    /// Of the TCP groups, each once.
    static func streamPorts(of groups: [GroupPlane]) -> Set<UInt16> {
        Set(groups.filter { $0.group.transport == .tcp }.map(\.group.port))
    }

    /// A session has ended, and some row may wait for that.
    public func isAwaited(_ socket: ClosedSocket) -> Bool {
        socket.peerPort != 0 && table.row(of: socket.peer).map { waiting[$0] != nil } ?? false
    }

    /// Sessions that a collector has since before the program saw any: for a
    /// registration of its process.
    func noteSessions(_ accepted: [SocketFacts], of slot: Slot) {
        for socket in accepted {
            guard let peer = socket.peer else { continue }
            for group in Self.listeners(of: socket.address, port: socket.port, among: groups) {
                sessions.note(slot, ofPeer: peer.address, port: peer.port, group: group.number)
            }
        }
    }

    /// TCP groups that a connection to the address may be of.
    static func listeners(of address: IPAddress, port: UInt16, among groups: [GroupPlane]) -> [GroupPlane] {
        groups.filter {
            $0.group.transport == .tcp && $0.group.port == port
                && ($0.group.address.isWildcard || $0.group.address.unmapped == address.unmapped)
        }
    }
}
