/// One TCP connection, at the end whose socket is on this host.
public struct TCPSession: Equatable, Sendable {
    /// Of RFC 9293, 3.3.2, those that have a peer: TIME-WAIT is left out, there
    /// no socket is left.
    public enum State: UInt8, Sendable, CaseIterable {
        case established = 1
        /// The SYN was answered, and nothing else has come.
        case synReceived = 3
        case finWait1, finWait2
        case closeWait = 8
        case lastAck
        case closing = 11
    }

    public var state: State
    /// What the peer connected to. IPv4-mapped on a dual-stack socket: compare it `unmapped`.
    public var address: IPAddress
    public var port: UInt16
    /// Compare it `unmapped`.
    public var peer: IPAddress
    public var peerPort: UInt16
    /// Index of the interface that the socket is bound to, 0 for none.
    public var interface: Int32
    /// SO_COOKIE: the same in every list from the request on, and in `ClosedSocket`.
    public var cookie: UInt64
    /// As in `socket:[INODE]` under /proc/PID/fd. 0: no descriptor has it: not
    /// accepted yet, or closed by its owner.
    public var inode: UInt32
    /// The listener's user; 0 while `synReceived`, and once the owner has closed it.
    public var user: UInt32
    /// Bytes not yet read.
    public var queued: UInt64
    /// As the kernel measured it (tcp_info); nil: it wasn't asked.
    public var course: Course?

    public struct Course: Equatable, Sendable {
        /// Bytes of payload.
        public var received: UInt64
        /// Smoothed round-trip time (RFC 6298); of an end that only receives, that of its handshake.
        public var roundTrip: Duration
        /// The least that was measured; nil: none was.
        public var leastRoundTrip: Duration?
        /// Since the last data from the peer, or since the session was established.
        public var silence: Duration

        public init(received: UInt64, roundTrip: Duration, leastRoundTrip: Duration?, silence: Duration) {
            self.received = received
            self.roundTrip = roundTrip
            self.leastRoundTrip = leastRoundTrip
            self.silence = silence
        }
    }

    public init(
        state: State, address: IPAddress, port: UInt16, peer: IPAddress, peerPort: UInt16, interface: Int32 = 0,
        cookie: UInt64, inode: UInt32 = 0, user: UInt32 = 0, queued: UInt64 = 0
    ) {
        self.state = state
        self.address = address
        self.port = port
        self.peer = peer
        self.peerPort = peerPort
        self.interface = interface
        self.cookie = cookie
        self.inode = inode
        self.user = user
        self.queued = queued
    }

    /// Neither side has ended it.
    public var isLive: Bool { state == .established || state == .synReceived }

    /// `tcp 192.0.2.1:41000 to 198.51.100.7:1790`.
    public var endpoints: String { "tcp \(peer.withPort(peerPort)) to \(address.withPort(port))" }
}
