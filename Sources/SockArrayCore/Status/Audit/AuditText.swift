/// The sentences: what, which object, why it matters, and the next step.
extension AuditProblem {
    /// `group ipfix (udp 0.0.0.0:4739): …; next step`.
    public var text: String { "\(subject): \(cause); \(remedy)" }

    var subject: String {
        if let group { return "group \(group.name) (\(group.endpoint))" }
        if case .oneSource(let address) = self { return "exporter \(address)" }
        return "on_move: reset"
    }

    var cause: String {
        switch self {
        case .programReplaced:
            return "another program, or none, was attached in place of ours, and exporters reached any member; "
                + "ours is attached again"
        case .programUnseen:
            return "the agent's probe does not reach the program, which was attached again: "
                + "whether another one comes in its place can't be seen"
        case .programUnreachable:
            return "the agent's probe does not reach the program, and no socket of the group could be reached to "
                + "attach it again: exporters may reach any member"
        case .probeUnsendable(_, let errno?):
            return "the agent's probe could not be sent (\(ErrnoName.of(errno))): "
                + "whether our program is attached can't be seen"
        case .probeUnsendable(_, nil):
            return "no address of this host leads a probe to this group alone: "
                + "whether our program is attached can't be seen"
        case .stranger(_, let socket):
            return "\(socket.description) is a member and in no slot: it gets nothing, "
                + "and a share of everything should the program ever be gone"
        case .leftOver(_, let socket, let name):
            return "\(socket.description) was collector \(name)'s and is in no slot any more: it gets nothing, "
                + "and a share of everything should the program ever be gone"
        case .socketReplaced(_, let name):
            return "the slot of collector \(name) holds another socket than the one that was registered: "
                + "another program wrote the pool's map, and \(name)'s exporters go there"
        case .trafficStolen(let group, let socket, let theft):
            return "\(socket.description) at \(socket.address.withPort(group.port)) takes \(theft.words) from it: "
                + "no program is asked for that"
        case .noPlaceholder(_, let refusal):
            return "the agent has no socket of its own in it (\(ErrnoName.of(refusal.errno))): when its last "
                + "collector ends, the program goes with it, and comes back with the first registration"
        case .oneSource:
            return "nearly everything comes from this one address, and so goes to one collector: "
                + "is a NAT or a proxy in front of the exporters?"
        case .sessionNotEnded(let errno):
            return "a session could not be ended (\(ErrnoName.of(errno))): its exporter stays where the session is"
        }
    }

    var remedy: String {
        switch self {
        case .programReplaced:
            return "find who attaches one (bpftool prog list | grep sk_reuseport), and leave "
                + "nfacctd_rp_ebpf_prog and bmp_daemon_rp_ebpf_prog of pmacct unset"
        case .programUnseen(let group), .probeUnsendable(let group, _?):
            return "let the firewall pass \(group.transport.rawValue) port \(group.port) on the loopback interface, "
                + "and look that the address is this host's"
        case .probeUnsendable(_, nil):
            return "leave one loopback address to the group"
        case .programUnreachable:
            return "register a collector of the group again, or give the agent CAP_SYS_PTRACE"
        case .stranger(let group, let socket):
            return "register its process or end it, by: \(group.listing)\(socket.search)"
        case .leftOver(let group, let socket, let name):
            return "end its process, or register it as \(name) again, by: \(group.listing)\(socket.search)"
        case .socketReplaced(_, let name):
            return "register \(name) again, and find who else may write below the pool's bpffs folder"
        case .trafficStolen(let group, let socket, _):
            return "end what has it, or make it a group of the configuration, by: \(group.listing)\(socket.search)"
        case .noPlaceholder(_, let refusal): return refusal.remedy
        case .oneSource: return "let the NAT keep the source addresses, or put the agent before it"
        case .sessionNotEnded(let errno):
            return errno == KernelErrno.notPermitted
                ? "give the agent CAP_NET_ADMIN, or set on_move: follow"
                : "set on_move: follow, or use a kernel with CONFIG_INET_DIAG_DESTROY"
        }
    }

    private enum KernelErrno {
        static let notPermitted: Int32 = 1
    }
}

extension AuditProblem.Culprit {
    var description: String { "a socket of user \(user)\(inode == 0 ? "" : " (inode \(inode))")" }

    fileprivate var search: String { inode == 0 ? "" : " | grep ino:\(inode)" }
}

extension ReuseportGroup {
    /// The command that lists the port's sockets with their processes.
    fileprivate var listing: String { "ss -\(transport == .udp ? "u" : "tl")anpe sport = :\(port)" }
}

extension TrafficTheft {
    var words: String {
        switch self {
        case .address(let address): "what is sent to \(address)"
        case .interface(let index): "what comes in by interface \(index), or none of it, by the order of binding,"
        case .allIPv4: "all IPv4"
        case .perhapsAllIPv6: "all IPv6, or none of it, by the order of binding,"
        case .peer: "what its peer sends"
        }
    }
}

extension AuditFacts.PlaceholderRefusal {
    fileprivate var remedy: String {
        switch errno {
        case 1: "give the agent CAP_CHOWN, or run it as the collectors' user (uid \(user))"
        case 13: "give the agent CAP_NET_BIND_SERVICE: the port is below 1024"
        case 98: "set collector_user to the user of the sockets that are there, all of one user with SO_REUSEPORT"
        case 99: "give this host the address; the agent tries again with each audit"
        default: "look at the limits of the agent's user; it tries again with each audit"
        }
    }
}
