import CBPFShim
import Glibc

/// Tells when UDP and TCP sockets of this network namespace end, whoever owned
/// them, by their local port (the destroy groups of sock_diag(7)).
///
/// Asks for no privilege. 6,500 events may wait, or without CAP_NET_ADMIN as many
/// as net.core.rmem_max lets: 330 of its default.
///
/// An event comes after the socket has left `SocketDump` and every sockarray. Of
/// a socket that never got beyond a request (`synReceived`) none comes. A session
/// that its owner closed is told when the peer has acknowledged that.
public final class SocketCloseEvents {
    public enum Event: Equatable, Sendable {
        case closed(ClosedSocket)
        /// Events were lost, and those that waited were thrown away: look at all
        /// sockets anew. What ends from here on is told again.
        case overrun
    }

    /// The most ports that can be watched.
    public static let portLimit = Int(RPA_DIAG_PORTS)

    private let descriptor: Descriptor

    /// - Parameter withSessions: those that have a peer, too. Each wakes whoever waits, and
    ///   thousands may end in a second. One that its owner aborts (SO_LINGER of 0) has none any
    ///   more, and is told in either case.
    /// - Throws: E2BIG: more ports than `portLimit`.
    public init(ports: Set<UInt16>, withSessions: Bool) throws(KernelError) {
        let ports = Array(ports)
        descriptor = Descriptor(
            owning: try kernel(
                "watch closing sockets by sock_diag", rpa_diag_events(ports, ports.count, withSessions ? 1 : 0)))
    }

    /// For poll(2): POLLIN or POLLERR say that `next` has something. Borrowed.
    public var number: Int32 { descriptor.number }

    /// Other ones instead; of a port that is in both lists nothing is lost. What
    /// waits already still comes.
    ///
    /// - Throws: E2BIG: more ports than `portLimit`; the old ones stay.
    public func watch(ports: Set<UInt16>, withSessions: Bool) throws(KernelError) {
        let ports = Array(ports)
        try kernel(
            "watch other ports by sock_diag", rpa_diag_watch(number, ports, ports.count, withSessions ? 1 : 0))
    }

    /// The next that waits, or nil. Never blocks.
    public func next() throws(KernelError) -> Event? {
        var raw = rpa_diag_socket()
        let result = rpa_diag_next(number, &raw)
        if result == -KernelError.noBuffers { return .overrun }
        guard try kernel("receive from sock_diag", result) == 1 else { return nil }
        return .closed(
            ClosedSocket(
                transport: Int(raw.protocol) == IPPROTO_UDP ? .udp : .tcp,
                address: IPAddress(family: raw.family, bytes: raw.address), port: raw.port,
                peer: IPAddress(family: raw.family, bytes: raw.peer), peerPort: raw.peer_port, cookie: raw.cookie))
    }
}
