import PoolModel

/// The course of exporters' TCP sessions, as the kernel reports it (struct tcp_info).
extension SessionIndex {
    /// By the peer's address (IPv4-mapped addresses as IPv4), for at most as many exporters as the
    /// pool tracks.
    ///
    /// The kernel looks at every connection of the host: 1 ms for each 5,000.
    func courses(in deployment: Deployment) throws(KernelError) -> [IPAddress: BMPSessions] {
        let clock = BootClock.now()
        let limit = max(deployment.configuration.tracking.size, 1)
        var sessions: [IPAddress: BMPSessions] = [:]
        for port in deployment.groups.streamPorts {
            for connection in try TCPSession.all(onPort: port, withCourse: true) where connection.isLive {
                let peer = connection.peer.unmapped
                let listeners = deployment.groups.listeners(of: connection, port: port)
                guard sessions[peer] != nil || sessions.count < limit, let course = connection.course,
                    let first = listeners.first
                else { continue }
                sessions[peer, default: BMPSessions()].add {
                    Self.session(connection, course, among: listeners, else: first, deployment.maps, clock)
                }
            }
        }
        return sessions
    }

    /// - Parameters:
    ///   - listeners: groups to which the session may belong.
    ///   - first: the group to name when the program noted nothing of the session.
    private static func session(
        _ connection: TCPSession, _ course: TCPSession.Course, among listeners: [PoolGroup], else first: PoolGroup,
        _ maps: PoolMaps, _ clock: BootClock
    ) -> BMPSession {
        let start = listeners.lazy.compactMap { group in
            maps.sessions.start(ofPeer: connection.peer, port: connection.peerPort, group: group.number)
                .map { (group, $0) }
        }.first
        return BMPSession(
            group: (start?.0 ?? first).group.name,
            collector: start.flatMap { maps.tenants.tenant(of: $0.1.slot)?.name },
            peerPort: connection.peerPort, upSince: start?.1.time.map(clock.unixTime),
            bytesReceived: course.received, rtt: course.roundTrip / .seconds(1),
            minRtt: course.leastRoundTrip.map { $0 / .seconds(1) }, silentFor: course.silence / .seconds(1))
    }
}
