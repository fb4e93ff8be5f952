/// Decides when the program comes to a group. It comes with the first socket of the pool: a
/// collector's, or the agent's own. From then on, registered collectors alone receive what is sent
/// there.
package enum GroupClaim {
    /// Whether the agent's own socket may join the group. It may not where that would take a running
    /// port's traffic before a collector of the pool has a socket there.
    ///
    /// - Parameters:
    ///   - isClaimed: a collector of the pool has or had a socket in the group, or the program has run
    ///     in it.
    ///   - sockets: those of the group's protocol and port, at any address.
    ///   - own: SO_COOKIE of the agent's own sockets.
    package static func mayJoin(
        _ group: ReuseportGroup, isClaimed: Bool, among sockets: [BoundSocket], own: Set<UInt64>
    ) -> Bool {
        isClaimed || losers(to: group, among: sockets, own: own).isEmpty
    }

    /// Sockets of others that receive less when a socket with the program joins the group.
    package static func losers(
        to group: ReuseportGroup, among sockets: [BoundSocket], own: Set<UInt64>
    ) -> [BoundSocket] {
        sockets.filter { !own.contains($0.cookie) && group.takesTraffic(of: $0) }
    }
}

extension ReuseportGroup {
    /// Whether the socket receives what would go to the group: it is a member, or is bound less
    /// narrowly than the group. A socket that is connected or bound to another interface keeps its traffic.
    func takesTraffic(of socket: BoundSocket) -> Bool {
        guard socket.transport == transport, socket.port == port, !socket.hasPeer,
            socket.interface == nil || socket.interface == interface
        else {
            return false
        }
        if hasMember(socket) { return true }
        let other = ReuseportGroup(
            name: name, transport: transport, address: socket.address, port: port, ipv6Only: socket.ipv6Only,
            interface: socket.interface)
        let member = BoundSocket(
            transport: transport, address: address, port: port, ipv6Only: ipv6Only, interface: interface, cookie: 0)
        return other.theft(by: member) != nil
    }
}
