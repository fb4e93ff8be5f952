/// What the kernel says of a socket that was offered for registration.
public struct SocketFacts: Equatable, Sendable {
    public enum Kind: Equatable, Sendable {
        case udp, tcp
        /// Multipath TCP (RFC 8684, protocol 262), which Go's net.Listen makes since Go 1.24. A
        /// sockarray takes no such socket.
        case mptcp
        /// Anything else, by its domain, type and protocol (socket(2)).
        case other(domain: Int32, type: Int32, protocol: Int32)
    }

    public var kind: Kind
    /// Local address as bound.
    public var address: IPAddress
    /// 0 while the socket isn't bound.
    public var port: UInt16
    public var hasReuseport: Bool
    /// TCP: it listens.
    public var isListening: Bool
    /// Its peer: connect(2) was called, or it came from accept(2).
    public var peer: Peer?
    /// IPV6_V6ONLY.
    public var ipv6Only: Bool
    /// Name of the interface that it is bound to; nil: none.
    public var interface: String?
    /// SO_INCOMING_CPU; nil: not set.
    public var incomingCPU: Int?
    /// SO_COOKIE.
    public var cookie: UInt64
    /// The user (uid) that it belongs to: sockets of one group all have the same.
    public var user: UInt32
    /// It lives in the agent's network namespace.
    public var isInOurNamespace: Bool

    public init(
        kind: Kind, address: IPAddress, port: UInt16, hasReuseport: Bool = true,
        isListening: Bool = false, peer: Peer? = nil, ipv6Only: Bool = false,
        interface: String? = nil, cookie: UInt64, user: UInt32 = 0, isInOurNamespace: Bool = true
    ) {
        self.kind = kind
        self.address = address
        self.port = port
        self.hasReuseport = hasReuseport
        self.isListening = isListening
        self.peer = peer
        self.ipv6Only = ipv6Only
        self.interface = interface
        self.cookie = cookie
        self.user = user
        self.isInOurNamespace = isInOurNamespace
    }

    public struct Peer: Equatable, Sendable {
        public var address: IPAddress
        public var port: UInt16

        public init(address: IPAddress, port: UInt16) {
            self.address = address
            self.port = port
        }
    }

    public var isConnected: Bool { peer != nil }

    /// `udp 0.0.0.0:4739`.
    public var endpoint: String {
        switch kind {
        case .udp: "udp \(address.withPort(port, interface: interface))"
        case .tcp, .mptcp: "tcp \(address.withPort(port, interface: interface))"
        case .other: "not UDP or TCP"
        }
    }
}

extension ReuseportGroup {
    /// Whether the socket is bound where the group is. It may still be unfit.
    public func isEndpoint(of socket: SocketFacts) -> Bool {
        switch (transport, socket.kind) {
        case (.udp, .udp), (.tcp, .tcp):
            address == socket.address && port == socket.port && interface == socket.interface
        default: false
        }
    }

    /// Whether the socket is an MPTCP listener at the group's port, which keeps its process from having
    /// a socket of the group.
    public func hasMPTCPListener(_ socket: SocketFacts) -> Bool {
        transport == .tcp && socket.kind == .mptcp && socket.port == port && socket.isListening
    }

    /// Whether a collector's socket, found among all that its process has, is
    /// meant for the group: not a connection that the group's listener accepted.
    public func hasCandidate(_ socket: SocketFacts) -> Bool {
        isEndpoint(of: socket) && !socket.isConnected && (transport == .udp || socket.isListening)
    }

    /// Whether the socket is a member of the group, as far as the kernel's list of sockets shows.
    public func hasMember(_ socket: BoundSocket) -> Bool {
        guard transport == socket.transport, address == socket.address, port == socket.port, !socket.hasPeer,
            socket.interface == interface
        else { return false }
        guard case .v6 = address, address.isWildcard else { return true }
        return socket.ipv6Only == ipv6Only
    }

    /// Whether the kernel would count the socket among the group's members:
    /// dual-stack and IPv6-only sockets of one address are groups apart.
    func sharesFamilies(with socket: SocketFacts) -> Bool {
        guard case .v6 = address, address.isWildcard else { return true }
        return socket.ipv6Only == ipv6Only
    }
}
