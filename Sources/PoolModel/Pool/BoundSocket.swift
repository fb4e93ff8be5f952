/// A socket that the kernel may deliver a port's traffic to: UDP, or a TCP listener.
/// It can have any owner, bind address and group.
public struct BoundSocket: Equatable, Sendable {
    public var transport: ReuseportGroup.TransportProtocol
    /// Local address as bound.
    public var address: IPAddress
    public var port: UInt16
    /// IPV6_V6ONLY; false also for an IPv6 socket with a peer, for which the kernel doesn't report it.
    public var ipv6Only: Bool
    /// Name of the interface that it is bound to; nil: none.
    public var interface: String?
    /// UDP: connect(2) was called: the socket receives only that peer's datagrams.
    public var hasPeer: Bool
    /// SO_COOKIE.
    public var cookie: UInt64
    /// As in `socket:[INODE]` under /proc/PID/fd. 0: no descriptor has it any more.
    public var inode: UInt32
    /// User (uid) that made it, or that fchown(2) gave it to.
    public var user: UInt32
    /// UDP: bytes not yet read. TCP: connections not yet accepted.
    public var queued: UInt64
    /// Since the socket was made; wraps at 2^32.
    public var drops: UInt64

    public init(
        transport: ReuseportGroup.TransportProtocol, address: IPAddress, port: UInt16, ipv6Only: Bool = false,
        interface: String? = nil, hasPeer: Bool = false, cookie: UInt64, inode: UInt32 = 0, user: UInt32 = 0,
        queued: UInt64 = 0, drops: UInt64 = 0
    ) {
        self.transport = transport
        self.address = address
        self.port = port
        self.ipv6Only = ipv6Only
        self.interface = interface
        self.hasPeer = hasPeer
        self.cookie = cookie
        self.inode = inode
        self.user = user
        self.queued = queued
        self.drops = drops
    }
}
