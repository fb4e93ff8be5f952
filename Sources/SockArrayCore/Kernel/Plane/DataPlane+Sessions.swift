import CBPFShim

/// TCP sessions of the pool's groups.
extension DataPlane {
    /// A session that lives now.
    struct LiveSession {
        let connection: TCPSession
        /// Index of its exporter's row.
        let row: Int
        /// Whose it is; nil: the program didn't see it begin.
        let slot: Slot?
    }

    /// None where the exporter's address doesn't matter.
    func liveSessions(ofRows isWanted: (Int) -> Bool = { _ in true }) throws(KernelError) -> [LiveSession] {
        var live: [LiveSession] = []
        for port in streamPorts {
            for connection in try TCPSession.all(onPort: port) where connection.isLive {
                let listeners = self.listeners(of: connection.address, port: port)
                guard !listeners.isEmpty, let row = table.row(of: connection.peer), isWanted(row)
                else { continue }
                let slot = listeners.lazy.compactMap { [self] in
                    sessions.slot(ofPeer: connection.peer, port: connection.peerPort, group: $0.number)
                }.first
                live.append(LiveSession(connection: connection, row: row, slot: slot))
            }
        }
        return live
    }

    /// Of the TCP groups, each once.
    var streamPorts: Set<UInt16> { Set(groups.filter { $0.group.transport == .tcp }.map(\.group.port)) }

    /// A session has ended.
    ///
    /// - Returns: some row may wait for that.
    public func noteSessionEnd(_ socket: ClosedSocket) -> Bool {
        guard socket.peerPort != 0 else { return false }
        for group in listeners(of: socket.address, port: socket.port) {
            sessions.forget(peer: socket.peer, port: socket.peerPort, group: group.number)
        }
        return table.row(of: socket.peer).map { waiting[$0] != nil } ?? false
    }

    /// Sessions that a collector has since before the program saw any: for a
    /// registration of its process.
    func noteSessions(_ accepted: [SocketFacts], of slot: Slot) {
        for socket in accepted {
            guard let peer = socket.peer else { continue }
            for group in listeners(of: socket.address, port: socket.port) {
                sessions.note(slot, ofPeer: peer.address, port: peer.port, group: group.number)
            }
        }
    }

    /// TCP groups that a connection to the address may be of.
    private func listeners(of address: IPAddress, port: UInt16) -> [GroupPlane] {
        groups.filter {
            $0.group.transport == .tcp && $0.group.port == port
                && ($0.group.address.isWildcard || $0.group.address.unmapped == address.unmapped)
        }
    }
}
