extension RegistrationPlan {
    /// The group that the socket can be a member of.
    ///
    /// - Throws: why it can't be: each case is an error of the kernel's, or a
    ///   socket that the kernel would take and never select.
    static func fittingGroup(
        for offer: Offer, in groups: [ReuseportGroup], act: String
    ) throws(Refusal) -> Int {
        let socket = offer.socket
        func unfit(_ cause: String, _ remedy: String) -> Refusal {
            .refused(Failure(.unfitSocket, act: act, cause: "\(offer.label) \(cause)", remedy: remedy))
        }
        if case .other(let domain, let type, let number) = socket.kind {
            throw unfit(
                "is a socket of domain \(domain), type \(type), protocol \(number), not UDP or TCP over IP",
                "pass the collector's UDP or listening TCP socket")
        }
        let name = "(\(socket.endpoint))"
        if socket.kind == .mptcp { throw unfit("\(name) \(MultipathTCP.cause)", MultipathTCP.remedy) }
        guard socket.isInOurNamespace else {
            throw unfit(
                "\(name) lives in another network namespace than the agent",
                "run the agent in the collector's network namespace")
        }
        guard socket.port != 0 else {
            throw unfit("\(name) is not bound", "bind it to a group's address and port first")
        }
        let endpoints = groups.map(\.endpoint).joined(separator: ", ")
        if let interface = socket.interface, interface.hasPrefix("#") {
            throw unfit(
                "\(name) is bound to an interface that was removed (number \(interface.dropFirst()))",
                "start the collector again, so that it binds its sockets to the interface that is there now")
        }
        if let interface = socket.interface, !groups.contains(where: { $0.isEndpoint(of: socket) }) {
            // The kernel has bound it to an interface, although nobody asked for one.
            let cause =
                socket.address.isIPv6LinkLocal
                ? "has a link-local address, and therefore is bound to interface \(interface), which"
                : "is bound to interface \(interface), which"
            let isNear = groups.contains { $0.address == socket.address && $0.port == socket.port }
            throw unfit(
                "\(name) \(cause) makes it a group of its own; the pool has \(endpoints)",
                isNear
                    ? "add a group with interface: \(interface) to the agent's configuration; or bind it to no interface: "
                        + "no SO_BINDTODEVICE (nfacctd: nfacctd_interface), no ip vrf exec"
                    : "bind it to the address, port and interface of a group, or change groups in the agent's configuration"
            )
        }
        guard let index = groups.firstIndex(where: { $0.isEndpoint(of: socket) }) else {
            throw unfit(
                "\(name) is of no group of the pool, which has \(endpoints)",
                "bind it to one of these, or change groups in the agent's configuration")
        }
        let group = groups[index]
        guard group.sharesFamilies(with: socket) else {
            throw unfit(
                "\(name) is \(socket.ipv6Only ? "IPv6-only" : "dual-stack"), group \(group.name) is not: "
                    + "the kernel keeps them in groups apart",
                "set ipv6_only: \(socket.ipv6Only) on group \(group.name), or IPV6_V6ONLY on the socket alike")
        }
        guard socket.hasReuseport else {
            throw unfit("\(name) was bound without SO_REUSEPORT", "set SO_REUSEPORT before bind")
        }
        guard !socket.isConnected else {
            throw unfit(
                "\(name) is connected to a peer, and such a socket bypasses the group",
                "pass a socket that connect() or accept() has not touched")
        }
        guard group.transport == .udp || socket.isListening else {
            throw unfit("\(name) does not listen", "call listen() before it is registered")
        }
        return index
    }
}

/// What a collector with an MPTCP listener needs to know.
public enum MultipathTCP {
    /// The clause after the socket's name.
    public static let cause = "is an MPTCP listener (protocol 262), which the kernel puts into no group's map"

    /// A Go program falls back to TCP when the kernel has MPTCP off.
    public static let remedy =
        "let the collector listen with TCP, and start it again: for a Go program, set GODEBUG=multipathtcp=0 in its "
        + "environment; for all programs of this network namespace: sysctl net.mptcp.enabled=0"
}
