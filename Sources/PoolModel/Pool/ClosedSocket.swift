/// A socket that the kernel reported as ended: closed by its last owner, killed, or,
/// for a TCP session, over on both sides.
public struct ClosedSocket: Equatable, Sendable {
    public var transport: ReuseportGroup.TransportProtocol
    /// IPv4-mapped for IPv4 on a dual-stack TCP session: compare it `unmapped`.
    public var address: IPAddress
    public var port: UInt16
    /// The unspecified address if it had none. Compare it `unmapped`.
    public var peer: IPAddress
    /// 0: the socket had no peer, or was a session that nobody had accepted when its
    /// listener was closed: only `cookie` tells the two apart.
    public var peerPort: UInt16
    /// SO_COOKIE.
    public var cookie: UInt64

    public init(
        transport: ReuseportGroup.TransportProtocol, address: IPAddress, port: UInt16, peer: IPAddress,
        peerPort: UInt16, cookie: UInt64
    ) {
        self.transport = transport
        self.address = address
        self.port = port
        self.peer = peer
        self.peerPort = peerPort
        self.cookie = cookie
    }

    /// `udp 0.0.0.0:4739`.
    public var endpoint: String { "\(transport.rawValue) \(address.withPort(port))" }
}
