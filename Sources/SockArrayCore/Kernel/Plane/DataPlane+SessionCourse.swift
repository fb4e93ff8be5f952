/// What the exporters' TCP sessions have done, as the kernel tells.
extension DataPlane {
    /// By the peer's address, unmapped; of at most as many exporters as are kept track of.
    ///
    /// The kernel looks at every connection of the host: 1 ms for each 5,000.
    public func bmpSessions(act: String) throws(Failure) -> [IPAddress: [BMPSession]] {
        try attempt(act) { () throws(KernelError) in
            let clock = BootClock.now()
            var sessions: [IPAddress: [BMPSession]] = [:]
            for port in Self.streamPorts(of: groups) {
                for connection in try TCPSession.all(onPort: port, withCourse: true) where connection.isLive {
                    let peer = connection.peer.unmapped
                    guard sessions[peer] != nil || sessions.count < max(configuration.tracking.size, 1),
                        let session = bmpSession(connection, clock)
                    else { continue }
                    sessions[peer, default: []].append(session)
                }
            }
            return sessions
        }
    }

    /// Nil: it is of none of the groups.
    private func bmpSession(_ connection: TCPSession, _ clock: BootClock) -> BMPSession? {
        let listeners = Self.listeners(of: connection.address, port: connection.port, among: groups)
        let start = listeners.lazy.compactMap { [self] group in
            sessions.start(ofPeer: connection.peer, port: connection.peerPort, group: group.number)
                .map { (group, $0) }
        }.first
        guard let group = start?.0 ?? listeners.first, let course = connection.course else { return nil }
        return BMPSession(
            group: group.group.name, collector: start.flatMap { tenants.tenant(of: $0.1.slot)?.name },
            peerPort: connection.peerPort, upSince: start?.1.time.map(clock.unixTime),
            bytesReceived: course.received, rtt: course.roundTrip / .seconds(1),
            minRtt: course.leastRoundTrip.map { $0 / .seconds(1) })
    }
}
