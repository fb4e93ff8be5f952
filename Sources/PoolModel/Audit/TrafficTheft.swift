/// The part of a group's traffic that the kernel gives to a socket outside of the group,
/// without running a program: the socket is bound more narrowly.
public enum TrafficTheft: Hashable, Sendable {
    /// What is sent to the address.
    case address(IPAddress)
    /// What the interface with that name receives, or nothing of it, by the order
    /// of binding: see `theft(by:)`.
    case interface(String)
    /// All IPv4: an IPv4 wildcard goes before a dual-stack one.
    case allIPv4
    /// All IPv6, or nothing of it: `::` dual-stack and `::` IPv6-only are equals.
    case perhapsAllIPv6
    /// What the peer of the socket sends (connect(2)).
    case peer
}

extension ReuseportGroup {
    /// What the socket receives in place of this group; nil: nothing, or it is a member.
    ///
    /// The kernel looks for the address first and for the wildcards then. Each time it
    /// takes the first group that fits, though another one may fit better (the early
    /// return of udp4_lib_lookup2() in net/ipv4/udp.c, inet_lhash2_lookup() in
    /// inet_hashtables.c, and their IPv6 twins). IPv4 sockets stand before IPv6 ones;
    /// among themselves the last to be bound is the first, of IPv6 the first.
    public func theft(by socket: BoundSocket) -> TrafficTheft? {
        guard socket.transport == transport, socket.port == port, !hasMember(socket) else { return nil }
        // What comes by one interface never reaches a socket of another.
        if let interface, let other = socket.interface, interface != other { return nil }
        if socket.hasPeer { return covers(socket.address) ? .peer : nil }
        // One of the two is bound to an interface.
        let narrower = interface == socket.interface ? nil : interface ?? socket.interface
        guard address.isWildcard else {
            return socket.address == address ? narrower.map(TrafficTheft.interface) : nil
        }
        guard socket.address.isWildcard else {
            return covers(socket.address) ? .address(socket.address.unmapped) : nil
        }
        switch (address, socket.address) {
        case (.v6, .v4) where ipv6Only: return nil
        case (.v4, .v6): return nil
        case (.v4, .v4), (.v6, _):
            if let narrower { return .interface(narrower) }
        }
        return switch (address, socket.address) {
        case (.v6, .v4): .allIPv4
        case (.v6, .v6): .perhapsAllIPv6
        default: nil
        }
    }

    /// The group gets what is sent to the address, if nobody is bound more narrowly.
    package func covers(_ other: IPAddress) -> Bool {
        switch (address, other.unmapped) {
        case (.v4(0), .v4): true
        case (.v6(0, 0), .v4): !ipv6Only
        case (.v6(0, 0), .v6): true
        default: address.unmapped == other.unmapped
        }
    }

    /// Addresses of this host at which a probe reaches the group and no other
    /// socket, the best first. None for multicast addresses.
    ///
    /// - Parameter own: addresses of the group's interface. What the host sends to one of them from a socket that is
    ///   bound to the interface counts as received by it (rt_iif of the route, net/ipv4/route.c).
    public func probeTargets(among sockets: [BoundSocket], own: [IPAddress] = []) -> [IPAddress] {
        let thefts = Set(sockets.compactMap { theft(by: $0) })
        if interface != nil {
            let candidates = own.filter {
                covers($0) && !$0.isMulticast && !($0.isIPv4 && thefts.contains(.allIPv4))
            }
            return Array(candidates.filter { !thefts.contains(.address($0.unmapped)) }.prefix(2))
        }
        guard address.isWildcard else { return address.isOrdinary ? [address.unmapped] : [] }
        guard !thefts.contains(.interface("lo")) else { return [] }
        var candidates: [IPAddress] = []
        if case .v6 = address { candidates.append(.v6(0, 1)) }
        if covers(.v4(0x7f00_0001)), !thefts.contains(.allIPv4) {
            // One of the loopback network that nobody has bound.
            candidates += (1...16).map { .v4(0x7f00_0000 + $0) }.filter { !thefts.contains(.address($0)) }.prefix(1)
        }
        return candidates.filter { !thefts.contains(.address($0)) }
    }
}

extension IPAddress {
    /// Neither multicast, broadcast nor link-local, which go other ways or take an interface.
    fileprivate var isOrdinary: Bool { !isMulticast && !isIPv6LinkLocal && unmapped != .v4(.max) }
}
