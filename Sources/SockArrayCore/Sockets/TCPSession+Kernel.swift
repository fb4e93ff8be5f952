import CBPFShim
import Glibc
import PoolModel

extension TCPSession {
    /// All sessions with that local port, in no order: accepted, waiting to be accepted, or
    /// requested. Includes sessions that a program of this host started from that port.
    /// Requires no privilege.
    ///
    /// A session that its owner closed first stays as `finWait2` (inode 0) after the event
    /// of `SocketCloseEvents`, until the peer closes, too: 60 s at most. The
    /// kernel walks all connections of the host: 1 ms for each 5,000.
    ///
    /// - Parameter withCourse: include the kernel's measurements of each session.
    public static func all(onPort port: UInt16, withCourse: Bool = false) throws(KernelError) -> [TCPSession] {
        let states = State.allCases.reduce(UInt32(0)) { $0 | 1 << UInt32($1.rawValue) }
        return try SocketDump.sockets(of: .tcp, port: port, states: states, withTimes: withCourse).compactMap { raw in
            guard let state = State(rawValue: raw.state) else { return nil }
            var session = TCPSession(
                state: state, address: IPAddress(family: raw.family, bytes: raw.address), port: raw.port,
                peer: IPAddress(family: raw.family, bytes: raw.peer), peerPort: raw.peer_port,
                interface: Int32(bitPattern: raw.interface), cookie: raw.cookie, inode: raw.inode, user: raw.uid,
                queued: UInt64(raw.queued))
            if withCourse { session.course = Course(raw) }
            return session
        }
    }

    /// Aborts the session: the peer receives a reset, and the owner reads ECONNABORTED. A
    /// requested session is removed without a reset; so is its TIME-WAIT.
    ///
    /// - Returns: false if the session no longer exists, also if another one has its addresses and ports.
    /// - Throws: EPERM: lacks CAP_NET_ADMIN. EOPNOTSUPP: see `canDestroy`.
    @discardableResult
    public func destroy() throws(KernelError) -> Bool {
        let result = withRaw { rpa_diag_destroy($0) }
        if result == -KernelError.noEntry { return false }
        try kernel("SOCK_DESTROY of \(endpoints)", result)
        return true
    }

    /// Whether the kernel was built with CONFIG_INET_DIAG_DESTROY. Tries it with a
    /// session that can't exist, which requires no privilege.
    public static func canDestroy() throws(KernelError) -> Bool {
        do {
            try TCPSession(state: .established, address: .v4(0), port: 0, peer: .v4(0), peerPort: 0, cookie: 0)
                .destroy()
            return true
        } catch {
            if error.errno == KernelError.notSupported { return false }
            throw error
        }
    }

    /// Whether this process has CAP_NET_ADMIN in its own user namespace.
    static var mayDestroy: Bool { rpa_has_capability(Int32(RPA_CAP_NET_ADMIN.rawValue)) == 1 }

    private func withRaw(_ body: (UnsafePointer<rpa_diag_socket>) -> Int32) -> Int32 {
        var raw = rpa_diag_socket()
        (raw.family, raw.address) = address.familyAndBytes
        raw.peer = peer.familyAndBytes.bytes
        raw.protocol = UInt8(IPPROTO_TCP)
        raw.port = port
        raw.peer_port = peerPort
        raw.interface = UInt32(bitPattern: interface)
        raw.cookie = cookie
        return body(&raw)
    }
}

extension TCPSession.Course {
    fileprivate init(_ raw: rpa_diag_socket) {
        self.init(
            received: raw.received, roundTrip: .microseconds(Int64(raw.rtt)),
            leastRoundTrip: raw.min_rtt == UInt32.max ? nil : .microseconds(Int64(raw.min_rtt)),
            silence: .milliseconds(Int64(raw.silent)))
    }
}
