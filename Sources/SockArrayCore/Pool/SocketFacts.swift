/// What the kernel says of a socket that was offered for registration.
public struct SocketFacts: Equatable, Sendable {
    public enum Kind: Equatable, Sendable {
        case udp, tcp
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
    /// It has a peer: connect(2) was called, or it came from accept(2).
    public var isConnected: Bool
    /// IPV6_V6ONLY.
    public var ipv6Only: Bool
    /// Index of the interface it is bound to, 0 for none.
    public var interface: Int32
    /// SO_COOKIE.
    public var cookie: UInt64
    /// It lives in the agent's network namespace.
    public var isInOurNamespace: Bool

    public init(
        kind: Kind, address: IPAddress, port: UInt16, hasReuseport: Bool = true,
        isListening: Bool = false, isConnected: Bool = false, ipv6Only: Bool = false,
        interface: Int32 = 0, cookie: UInt64, isInOurNamespace: Bool = true
    ) {
        self.kind = kind
        self.address = address
        self.port = port
        self.hasReuseport = hasReuseport
        self.isListening = isListening
        self.isConnected = isConnected
        self.ipv6Only = ipv6Only
        self.interface = interface
        self.cookie = cookie
        self.isInOurNamespace = isInOurNamespace
    }

    /// `udp 0.0.0.0:4739`.
    public var endpoint: String {
        switch kind {
        case .udp: "udp \(address.withPort(port))"
        case .tcp: "tcp \(address.withPort(port))"
        case .other: "not UDP or TCP"
        }
    }
}

extension ReuseportGroup {
    /// Whether the socket is bound where the group is. It may still be unfit.
    public func isEndpoint(of socket: SocketFacts) -> Bool {
        switch (transport, socket.kind) {
        case (.udp, .udp), (.tcp, .tcp): address == socket.address && port == socket.port
        default: false
        }
    }

    /// Whether a collector's socket, found among all that its process has, is
    /// meant for the group: not a connection that the group's listener accepted.
    public func hasCandidate(_ socket: SocketFacts) -> Bool {
        isEndpoint(of: socket) && !socket.isConnected && (transport == .udp || socket.isListening)
    }

    /// Whether the kernel would count the socket among the group's members:
    /// dual-stack and IPv6-only sockets of one address are groups apart.
    func sharesFamilies(with socket: SocketFacts) -> Bool {
        guard case .v6 = address, address.isWildcard else { return true }
        return socket.ipv6Only == ipv6Only
    }
}
