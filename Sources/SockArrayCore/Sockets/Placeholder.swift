import CBPFShim
import Glibc
import PoolModel

/// The agent's own socket in a reuseport group. It keeps the group, with the attached
/// program, when the last collector is gone: the first collector that returns joins both
/// before its first datagram. No slot has the placeholder, so the program never
/// selects it.
///
/// It belongs to the collectors' user, because the kernel lets only sockets of one
/// user share a port. If traffic reaches it, the program isn't consulted: the
/// kernel's own selection is among all members.
final class Placeholder {
    let user: UInt32
    /// SO_COOKIE.
    let cookie: UInt64
    let descriptor: Descriptor
    /// Of the interface that it is bound to; 0: none. An interface that is made again has another one.
    private let interfaceIndex: Int32

    /// - Throws: EPERM: giving the socket to another user requires CAP_CHOWN.
    ///   EADDRINUSE: sockets of another user are in the group. EACCES: a port
    ///   below 1024 needs CAP_NET_BIND_SERVICE. EADDRNOTAVAIL: no such address here.
    ///   ENODEV: no such interface.
    init(in group: ReuseportGroup, user: UInt32) throws(KernelError) {
        let result = rpa_placeholder(
            group.address.endpoint(port: group.port), Int32(group.transport == .udp ? IPPROTO_UDP : IPPROTO_TCP),
            group.ipv6Only ? 1 : 0, group.interface, user)
        let descriptor = Descriptor(owning: try kernel("make a placeholder in group \(group.name)", result))
        var facts = rpa_socket_facts()
        try kernel("getsockopt", rpa_socket_inspect(descriptor.number, &facts))
        self.user = user
        cookie = facts.cookie
        interfaceIndex = facts.interface
        self.descriptor = descriptor
    }

    /// The interface was removed, or made again since: the socket is in no group that a packet can reach.
    func isStale(in group: ReuseportGroup) -> Bool {
        group.interface.map { Int32(bitPattern: if_nametoindex($0)) != interfaceIndex } ?? false
    }

    /// Reads and discards what has reached the socket.
    ///
    /// - Returns: the number of datagrams or connections.
    func discardWaiting(of transport: ReuseportGroup.TransportProtocol) -> Int {
        var count = 0
        var byte: UInt8 = 0
        while count < 1_000 {
            switch transport {
            case .udp:
                guard recv(descriptor.number, &byte, 1, Int32(MSG_DONTWAIT)) >= 0 else { return count }
            case .tcp:
                let connection = rpa_accept(descriptor.number)
                guard connection >= 0 else { return count }
                close(connection)
            }
            count += 1
        }
        return count
    }
}
