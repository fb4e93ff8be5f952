import PoolModel

/// The sentence of each problem: object, what is wrong, why it matters, and the next step.
extension AuditProblem {
    /// `group ipfix (udp 0.0.0.0:4739): …; next step`.
    public var text: String { "\(subject): \(cause); \(remedy)" }

    package var subject: String {
        if let group { return "group \(group.name) (\(group.endpoint))" }
        switch self {
        case .oneSource(let address): return "exporter \(address)"
        case .noCollector, .exportersWithoutCollector: return "collectors"
        case .reloadFailed: return "configuration"
        default: return "on_move: reset"
        }
    }

    package var cause: String {
        switch self {
        case .programReplaced:
            return "another program, or none, was attached in place of the agent's, and traffic reached any socket of "
                + "the group; the agent attached its own again"
        case .programUnseen:
            return "the agent's probe doesn't reach the program, even after the agent attached it again: "
                + "whether another program replaces it can't be checked"
        case .programUnreachable:
            return "the agent's probe doesn't reach the program, and the agent has access to no socket of the group "
                + "to attach it again: traffic may reach any socket of the group"
        case .probeUnsendable(_, let errno?):
            return "the agent's probe could not be sent (\(ErrnoName.of(errno))): "
                + "whether the agent's program is attached can't be checked"
        case .probeUnsendable(_, nil):
            return "no address of this host leads a probe to this group alone: "
                + "whether the agent's program is attached can't be checked"
        case .stranger(_, let socket):
            return "\(socket.description) is in the group and not registered: it receives nothing now, "
                + "and a share of all traffic if the program is ever detached"
        case .leftOver(_, let socket, let name):
            return "\(socket.description) was collector \(name)'s and is no longer registered: "
                + "it receives nothing now, and a share of all traffic if the program is ever detached"
        case .socketReplaced(_, let name):
            return "another program wrote the pool's map: traffic for collector \(name) goes to a socket that isn't "
                + "the registered one"
        case .trafficStolen(let group, let socket, let theft):
            return "\(socket.description) at \(socket.address.withPort(group.port)) receives \(theft.words) in place "
                + "of the group: the kernel runs no program for it"
        case .noPlaceholder(_, let refusal):
            return "the agent has no socket of its own in the group (\(ErrnoName.of(refusal.errno))): when the last "
                + "collector ends, the program is detached until a collector registers"
        case .unselectable(_, let name, let socket, let errno):
            return "the program can't select \(socket?.description ?? "the socket") of collector \(name) "
                + "(\(ErrnoName.of(errno))): the socket is in another reuseport group than the port's traffic, and the "
                + "collector receives nothing here"
        case .twoUsers(_, let receiver, let loser, let receiverIsOurs):
            return "\(receiver.description) receives all of the group's traffic, and \(loser.socket.description)"
                + "\(loser.collectors.first.map { ", collector \($0)'s," } ?? "") receives nothing: the kernel keeps "
                + "the sockets of different users in separate reuseport groups"
                + (receiverIsOurs
                    ? loser.share
                    : ", and the agent's program doesn't run in the one that receives"
                        + (loser.collectors.isEmpty
                            ? "" : ": 100 % of the group's traffic is lost to the registered collectors"))
        case .stalled(_, let name):
            return
                "collector \(name) reads nothing, and data waits in its socket: the process may be stopped, hang, or "
                + "wait for a disk"
        case .unevenWorkers(_, let name, let choice):
            return
                "one of the sockets of collector \(name) drops packets, and the queues of at least half of them are empty: "
                + "workers: \(choice.rawValue) doesn't spread its traffic"
        case .multicastJoined(_, let name, let addresses):
            return "collector \(name) joined the multicast \(addresses.count == 1 ? "group" : "groups") "
                + "\(addresses.map(\.description).joined(separator: ", ")): the kernel gives a copy of what is sent "
                + "there to each socket that is bound to the port, past the program: data is counted several times, and "
                + "doesn't reach the exporter's collector alone"
        case .interfaceMissing(let group):
            return
                "interface \(group.interface ?? "") doesn't exist: no socket can be bound to it, and nothing comes by it; "
                + "the agent waits for it"
        case .interfaceOvertaken(let group):
            let interface = group.interface ?? ""
            return
                "sockets that are bound to no interface receive what comes by \(interface), because the kernel finds them "
                + "before those of the group; of the same pool, the same collector receives it"
        case .oneSource:
            return "nearly everything comes from this address, and therefore goes to one collector: "
                + "a NAT or a proxy may be in front of the exporters"
        case .sessionNotEnded(let errno):
            return "a session could not be ended (\(ErrnoName.of(errno))): "
                + "its exporter stays at the session's collector"
        case .noCollector:
            return "none is usable: the traffic of all groups is dropped, and counted as LOST (as HELD during a hold)"
        case .exportersWithoutCollector:
            return "every usable collector drains and takes no other exporters: traffic of exporters that belong to "
                + "absent collectors is dropped, and counted as LOST"
        case .groupWithoutCollector:
            return "no usable collector has a socket in it: its traffic is dropped, and counted as LOST (as HELD "
                + "during a hold)"
        case .groupNotJoined(_, let otherSockets, _):
            return "no collector has registered a socket in it yet, and the agent's program isn't attached to it: "
                + (otherSockets
                    ? "the kernel distributes its traffic over the sockets that are bound there"
                    : "no socket is bound there")
        case .reloadFailed(let problem, _):
            return "the last reload failed, and the configuration before it stays in force: \(problem)"
        }
    }

    package var remedy: String {
        switch self {
        case .programReplaced(let group):
            return CollectorPrograms.off + "; if it happens again, the process is one of those that have a socket of "
                + "the group: \(group.listing), and strace -f -e setsockopt -p PID shows SO_ATTACH_REUSEPORT_EBPF or _CBPF"
        case .programUnseen(let group), .probeUnsendable(let group, _?):
            return "let the firewall pass \(group.transport.rawValue) port \(group.port) on the loopback interface, "
                + "and check that this host has the group's address"
        case .probeUnsendable(let group, nil) where group.interface != nil:
            return
                "give interface \(group.interface ?? "") an address to which the agent can send a probe; until then, only "
                + "delivered traffic shows that the program runs"
        case .probeUnsendable(let group, nil):
            return "keep one loopback address free of other sockets at port \(group.port)"
        case .programUnreachable:
            return "register a collector of the group again, or give the agent CAP_SYS_PTRACE"
        case .stranger(let group, let socket):
            return "register its process or end it; to find it: \(group.listing)\(socket.search)"
        case .leftOver(let group, let socket, _):
            return "end its process when it has read what waits there; to find it: \(group.listing)\(socket.search)"
        case .socketReplaced(_, let name):
            return "register \(name) again, and find who else can write below the pool's bpffs folder"
        case .trafficStolen(let group, let socket, let theft):
            return "\(theft.remedy(for: group)); to find it: \(group.listing)\(socket.search)"
        case .noPlaceholder(_, let refusal): return refusal.remedy
        case .unselectable(let group, let name, let socket, _):
            return "start \(name) again as the user of the other collectors; to see the port's sockets: "
                + "\(group.listing)\(socket?.search ?? "")"
        case .stalled(_, let name):
            return
                "look at its process (reuseport-agent status shows the pid of \(name)): kill -CONT continues a stopped "
                + "one; restart one that hangs"
        case .unevenWorkers(_, let name, let choice):
            switch choice {
            case .exporter:
                return
                    "set workers: flow for \(name); or workers: packet, if its threads share templates (reload puts it in "
                    + "force)"
            case .flow:
                return "set workers: packet for \(name), if its threads share templates (reload puts it in force)"
            case .cpu:
                return "let all CPUs of its threads receive packets (queues of the network card, or RPS), or set "
                    + "workers: packet for \(name), if its threads share templates"
            case .packet: return "look at its threads: one of them is too slow, or hangs"
            }
        case .multicastJoined(_, let name, _):
            return "let the exporters send to a unicast address of this host, and start \(name) again without the "
                + "multicast groups (pmacct: nfacctd_mcast_groups)"
        case .twoUsers(let group, _, _, _):
            return "end the processes of one of the users, and run all collectors of the pool as the other one; with "
                + "collector_user set to it, the agent keeps other users out from then on; to see the port's sockets: "
                + group.listing
        case .interfaceMissing(let group):
            return "create it, and then start the collectors; or correct interface of group \(group.name)"
        case .interfaceOvertaken(let group):
            return
                "let each collector bind the socket of \(group.interface ?? "the interface") before the other one, and "
                + "start all of them again; or use one group, without interface"
        case .oneSource: return "let the NAT or proxy keep the source addresses, or run the agent in front of it"
        case .sessionNotEnded(let errno):
            return errno == KernelErrno.notPermitted
                ? "give the agent CAP_NET_ADMIN, or set on_move: follow"
                : "set on_move: follow, or use a kernel with CONFIG_INET_DIAG_DESTROY"
        case .noCollector:
            return "start a collector and register it; reuseport-agent status has the next step for each"
        case .exportersWithoutCollector:
            return "start the absent collectors and register them, or end a drain: reuseport-agent undrain "
                + "--collector NAME"
        case .groupWithoutCollector(let group):
            return "register a collector with a socket for \(group.transport.rawValue) port \(group.port): "
                + "reuseport-agent register --collector NAME --pid PID"
        case .groupNotJoined(let group, _, _):
            return "register each collector, registered ones again, with a socket for \(group.transport.rawValue) port "
                + "\(group.port); "
                + "from the first registration on, only registered collectors receive the group's traffic"
        case .reloadFailed(_, let remedy): return "\(remedy); the next reload that succeeds ends this"
        }
    }

    private enum KernelErrno {
        static let notPermitted: Int32 = 1
    }
}

extension AuditProblem.Loser {
    /// The loss, where the program runs: it finds that it can't select their sockets, and holds their exporters.
    fileprivate var share: String {
        if collectors.isEmpty { return "" }
        let names =
            collectors.count == 1 ? "collector \(collectors[0])" : "collectors \(collectors.joined(separator: ", "))"
        return "; the traffic of the exporters of \(names), \(percent) % of the table, is dropped until they fail over "
            + "after restart_hold"
    }
}

extension AuditProblem.Culprit {
    package var description: String { "a socket of user \(user)\(inode == 0 ? "" : " (inode \(inode))")" }

    fileprivate var search: String { inode == 0 ? "" : " | grep ino:\(inode)" }
}

extension ReuseportGroup {
    /// The command that lists the port's sockets with their processes.
    fileprivate var listing: String { "ss -\(transport == .udp ? "u" : "tl")anpe sport = :\(port)" }
}

extension TrafficTheft {
    package var words: String {
        switch self {
        case .address(let address): "what is sent to \(address)"
        case .interface(let name): "what interface \(name) receives (or none of it, by the order of binding)"
        case .allIPv4: "all IPv4"
        case .perhapsAllIPv6: "all IPv6 (or none of it, by the order of binding)"
        case .peer: "what its peer sends"
        }
    }
}

extension TrafficTheft {
    /// The configuration can't have the socket's address as a group beside this one: groups don't overlap.
    fileprivate func remedy(for group: ReuseportGroup) -> String {
        let bind = "bind \(group.endpoint), as the group"
        switch self {
        case .address: return "let its process use another port or, if it is a collector, \(bind)"
        case .interface(let name):
            let alike =
                group.interface == nil
                ? "and no interface (no SO_BINDTODEVICE, no ip vrf exec); or make it a group, with interface: \(name)"
                : "and the interface (SO_BINDTODEVICE, or ip vrf exec)"
            return "let its process use another port or, if it is a collector, \(bind), \(alike)"
        case .allIPv4: return "let its process use another port or, if it is a collector, \(bind), without IPV6_V6ONLY"
        case .perhapsAllIPv6:
            return "let its process use another port or, if it is a collector, \(bind), with IPV6_V6ONLY "
                + (group.ipv6Only ? "set" : "cleared")
        case .peer: return "let its process use another local port"
        }
    }
}

extension AuditFacts.PlaceholderRefusal {
    fileprivate var remedy: String {
        switch errno {
        case 1: "give the agent CAP_CHOWN, or run it as the collectors' user (uid \(user))"
        case 13: "give the agent CAP_NET_BIND_SERVICE: the port is below 1024"
        case 98: "set collector_user to the user of the group's sockets: all of one user, with SO_REUSEPORT"
        case 99: "give this host the address; the agent tries again with each audit"
        default: "check the limits of the agent's user; the agent tries again with each audit"
        }
    }
}
