import CBPFShim
import Glibc
import PoolModel

/// A collector's socket, borrowed during its registration. It is closed with this object: a
/// copy in the agent would keep the socket of a dead collector alive in the
/// sockarray.
public final class OfferedSocket {
    public let offer: RegistrationPlan.Offer
    let descriptor: Descriptor

    /// The descriptor's number, valid while this object lives.
    public var number: Int32 { descriptor.number }

    /// Takes ownership of the descriptor.
    ///
    /// - Parameter label: the owner's name for the socket: `fd 5`.
    /// - Throws: EBADF, ENOTSOCK.
    public init(_ descriptor: consuming Descriptor, label: String) throws(KernelError) {
        let facts = try Self.inspect(descriptor)
        self.descriptor = descriptor
        offer = RegistrationPlan.Offer(label: label, socket: facts)
    }

    static func inspect(_ descriptor: borrowing Descriptor) throws(KernelError) -> SocketFacts {
        var raw = rpa_socket_facts()
        var ourNamespace: UInt64 = 0
        try kernel("getsockopt", rpa_socket_inspect(descriptor.number, &raw))
        try kernel("getsockopt SO_NETNS_COOKIE", rpa_netns_cookie(&ourNamespace))
        var facts = SocketFacts(
            kind: kind(of: raw), address: IPAddress(family: raw.domain, bytes: raw.address), port: raw.port,
            hasReuseport: raw.reuseport != 0, isListening: raw.accepting != 0,
            peer: raw.peer_port == 0
                ? nil : .init(address: IPAddress(family: raw.domain, bytes: raw.peer), port: raw.peer_port),
            ipv6Only: raw.ipv6_only != 0, interface: NetworkInterface.name(of: raw.interface),
            cookie: raw.cookie, user: raw.user, isInOurNamespace: raw.netns == ourNamespace)
        if raw.incoming_cpu >= 0 { facts.incomingCPU = Int(raw.incoming_cpu) }
        return facts
    }

    /// IPPROTO_MPTCP, which glibc names from 2.32 on.
    private static let mptcp: Int32 = 262

    private static func kind(of raw: rpa_socket_facts) -> SocketFacts.Kind {
        let isInternet = raw.domain == AF_INET || raw.domain == AF_INET6
        switch (isInternet, raw.type, raw.protocol) {
        case (true, Int32(SOCK_DGRAM.rawValue), Int32(IPPROTO_UDP)): return .udp
        case (true, Int32(SOCK_STREAM.rawValue), Int32(IPPROTO_TCP)): return .tcp
        case (true, Int32(SOCK_STREAM.rawValue), mptcp): return .mptcp
        default: return .other(domain: raw.domain, type: raw.type, protocol: raw.protocol)
        }
    }
}
