/// What the exporters' TCP sessions have done, as the kernel tells.
extension DataPlane {
    /// By the peer's address, unmapped; of at most as many exporters as are kept track of.
    ///
    /// The kernel looks at every connection of the host: 1 ms for each 5,000.
    public func bmpSessions(act: String) throws(Failure) -> [IPAddress: BMPSessions] {
        try attempt(act) { () throws(KernelError) in
            let clock = BootClock.now()
            var sessions: [IPAddress: BMPSessions] = [:]
            for port in Self.streamPorts(of: groups) {
                for connection in try TCPSession.all(onPort: port, withCourse: true) where connection.isLive {
                    let peer = connection.peer.unmapped
                    guard sessions[peer] != nil || sessions.count < max(configuration.tracking.size, 1),
                        let course = connection.course
                    else { continue }
                    let listeners = Self.listeners(of: connection.address, port: port, among: groups)
                    guard let first = listeners.first else { continue }
                    sessions[peer, default: BMPSessions()].add {
                        bmpSession(connection, course, among: listeners, else: first, clock)
                    }
                }
            }
            return sessions
        }
    }

    /// - Parameters:
    ///   - listeners: groups that it may be of.
    ///   - first: whose it is where nothing was noted of it.
    private func bmpSession(
        _ connection: TCPSession, _ course: TCPSession.Course, among listeners: [GroupPlane], else first: GroupPlane,
        _ clock: BootClock
    ) -> BMPSession {
        let start = listeners.lazy.compactMap { [self] group in
            sessions.start(ofPeer: connection.peer, port: connection.peerPort, group: group.number)
                .map { (group, $0) }
        }.first
        return BMPSession(
            group: (start?.0 ?? first).group.name, collector: start.flatMap { tenants.tenant(of: $0.1.slot)?.name },
            peerPort: connection.peerPort, upSince: start?.1.time.map(clock.unixTime),
            bytesReceived: course.received, rtt: course.roundTrip / .seconds(1),
            minRtt: course.leastRoundTrip.map { $0 / .seconds(1) })
    }
}
