import CBPFShim
import Glibc

/// A collector's socket in our hands for the moment of its registration. It is
/// closed with this object: a copy that we kept would keep a dead collector's
/// socket alive in the sockarray.
public final class OfferedSocket {
    public let offer: RegistrationPlan.Offer
    let descriptor: Descriptor

    /// Of the descriptor, to be passed on while this object lives.
    public var number: Int32 { descriptor.number }

    /// Takes the descriptor over.
    ///
    /// - Parameter label: what its owner knows it by: `fd 5`.
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
        return SocketFacts(
            kind: kind(of: raw), address: address(of: raw), port: raw.port,
            hasReuseport: raw.reuseport != 0, isListening: raw.accepting != 0,
            isConnected: raw.connected != 0, ipv6Only: raw.ipv6_only != 0, interface: raw.interface,
            cookie: raw.cookie, isInOurNamespace: raw.netns == ourNamespace)
    }

    private static func kind(of raw: rpa_socket_facts) -> SocketFacts.Kind {
        let isInternet = raw.domain == AF_INET || raw.domain == AF_INET6
        switch (isInternet, raw.type, raw.protocol) {
        case (true, Int32(SOCK_DGRAM.rawValue), Int32(IPPROTO_UDP)): return .udp
        case (true, Int32(SOCK_STREAM.rawValue), Int32(IPPROTO_TCP)): return .tcp
        default: return .other(domain: raw.domain, type: raw.type, protocol: raw.protocol)
        }
    }

    private static func address(of raw: rpa_socket_facts) -> IPAddress {
        withUnsafeBytes(of: raw.address) { bytes in
            func word(_ first: Int, _ count: Int) -> UInt64 {
                bytes[first..<first + count].reduce(0) { $0 << 8 | UInt64($1) }
            }
            return raw.domain == AF_INET
                ? .v4(UInt32(truncatingIfNeeded: word(0, 4))) : .v6(word(0, 8), word(8, 8))
        }
    }
}
