import CBPFShim
import Glibc
import PoolModel

/// Reports UDP and TCP sockets of this network namespace that end, of any owner, by
/// their local port (the destroy groups of sock_diag(7)).
///
/// Requires no privilege. The queue has room for 6,500 events, or without CAP_NET_ADMIN for
/// as many as net.core.rmem_max allows: 330 with its default.
///
/// An event comes after the socket has left `SocketDump` and every sockarray. A socket
/// that was never more than a request (`synReceived`) causes none. For a session
/// that its owner closed, the event comes when the peer has acknowledged the close.
public final class SocketCloseEvents {
    public enum Event: Equatable, Sendable {
        case closed(ClosedSocket)
        /// Events were lost, and the queued ones were discarded: look at all
        /// sockets anew. Later ends are reported again.
        case overrun
    }

    /// The maximum number of ports that can be watched.
    public static let portLimit = Int(RPA_DIAG_PORTS)

    private let descriptor: Descriptor

    /// - Parameter withSessions: also report sockets with a peer. Each event wakes the reader, and
    ///   thousands may end in a second. A session that its owner aborts (SO_LINGER of 0) has no
    ///   peer any more, and is reported in either case.
    /// - Throws: E2BIG: more ports than `portLimit`.
    public init(ports: Set<UInt16>, withSessions: Bool) throws(KernelError) {
        let ports = Array(ports)
        descriptor = Descriptor(
            owning: try kernel(
                "watch closing sockets by sock_diag", rpa_diag_events(ports, ports.count, withSessions ? 1 : 0)))
    }

    /// For poll(2): POLLIN or POLLERR: `next` has a result. Borrowed.
    public var number: Int32 { descriptor.number }

    /// Replaces the ports. No event is lost for a port that is in both lists, and queued
    /// events still come.
    ///
    /// - Throws: E2BIG: more ports than `portLimit`; the old ones stay.
    public func watch(ports: Set<UInt16>, withSessions: Bool) throws(KernelError) {
        let ports = Array(ports)
        try kernel(
            "watch other ports by sock_diag", rpa_diag_watch(number, ports, ports.count, withSessions ? 1 : 0))
    }

    /// The next queued event, or nil. Never blocks.
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
