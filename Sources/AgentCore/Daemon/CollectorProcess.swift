import Glibc
import PoolModel
import SockArrayCore

/// Finds the sockets of a collector that doesn't know the agent.
enum CollectorProcess {
    /// Borrows the process's sockets that could belong to one of the groups.
    static func sockets(
        of process: borrowing OtherProcess, _ groups: [ReuseportGroup], act: String
    ) throws(Failure) -> ProcessSockets {
        do {
            return try process.sockets { socket in groups.contains { $0.hasCandidate(socket) } }
        } catch {
            if let failure = Failure.openFiles(act: act, errno: error.errno) { throw failure }
            throw couldNotBorrow(
                process.pid, ofUserOf: process.user == geteuid() ? "the agent" : nil, errno: error.errno, act: act)
        }
    }

    /// - Parameter reader: has the process's user and tried to borrow, which isn't enough: the kernel also compares
    ///   capabilities (ptrace(2), PTRACE_MODE_ATTACH_REALCREDS). Nil: nobody has.
    static func couldNotBorrow(_ pid: Int32, ofUserOf reader: String?, errno: Int32, act: String) -> Failure {
        let cause = "the sockets of process \(pid) could not be borrowed"
        let remedy = "give the agent CAP_SYS_PTRACE, or let the collector pass its sockets: register --fd N"
        guard let reader else { return Failure(.privilege, act: act, cause: cause, errno: errno, remedy: remedy) }
        return Failure(
            .privilege, act: act,
            cause: cause + ", although it runs as \(reader)'s user: its binary has file capabilities (setcap), it "
                + "changed its user, or kernel.yama.ptrace_scope forbids it",
            errno: errno,
            remedy: remedy + "; a unit with AmbientCapabilities= in place of setcap lets exec borrow them")
    }

    /// The failure for a process without a socket of any group. It lists the sockets that the process has,
    /// so that a wrong address is easy to see, and names the process, so that a wrong pid is.
    static func hasNoMember(
        _ pid: Int32, named name: String?, _ sockets: [SocketFacts], _ groups: [ReuseportGroup], act: String
    ) -> Failure {
        let ports = Set(groups.map(\.port))
        let isNear = sockets.contains { ports.contains($0.port) && !$0.isConnected }
        return Failure(
            .unfitSocket, act: act,
            cause: "process \(pid)\(name.map { " (\($0))" } ?? "") has no socket of "
                + groups.map(\.endpoint).joined(separator: ", ") + whatItHas(sockets),
            remedy: !isNear
                ? "check that it is the collector's process; while the collector starts, wait until it has bound them: "
                    + "--wait 30"
                : "make its bind address and the group's address in the configuration the same")
    }

    /// The failure for a process that listens by MPTCP at the port of a group that it has no socket of. Waiting
    /// doesn't help.
    ///
    /// - Returns: nil if it doesn't.
    static func listensByMPTCP(
        _ pid: Int32, _ sockets: [SocketFacts], _ missing: [ReuseportGroup], act: String
    ) -> Failure? {
        for group in missing {
            guard let socket = sockets.first(where: group.hasMPTCPListener) else { continue }
            let elsewhere =
                socket.address == group.address
                ? "" : "; also let it bind the group's address, \(group.address.withPort(group.port))"
            return Failure(
                .unfitSocket, act: act,
                cause: "the socket of process \(pid) for group \(group.name) (\(socket.endpoint)) "
                    + MultipathTCP.cause,
                remedy: MultipathTCP.remedy + elsewhere)
        }
        return nil
    }

    /// `; it has udp 127.0.0.1:4739`: the bound sockets without a peer, at most 8.
    static func whatItHas(_ sockets: [SocketFacts]) -> String {
        let bound = Set(sockets.filter { $0.port != 0 && !$0.isConnected }.map { $0.endpoint + remark($0) }).sorted()
        if bound.isEmpty { return "; it has no bound socket at all" }
        return "; it has " + bound.prefix(8).joined(separator: ", ") + (bound.count > 8 ? " and others" : "")
    }

    private static func remark(_ socket: SocketFacts) -> String {
        switch socket.kind {
        case .mptcp: " (MPTCP; a group needs TCP: set GODEBUG=multipathtcp=0)"
        case .tcp where !socket.isListening: " (not listening)"
        case .udp, .tcp, .other: ""
        }
    }
}

extension RegistrationPlan.Refusal {
    /// Adds the process's bound sockets to the cause of an incomplete collector.
    func telling(whatItHas sockets: [SocketFacts]) -> Self {
        guard case .incomplete(let failure) = self else { return self }
        var longer = failure
        longer.cause += CollectorProcess.whatItHas(sockets)
        return .incomplete(longer)
    }
}

/// Finds the processes that have a collector's sockets.
enum SocketOwner {
    /// The command's nearest ancestor that has one of the sockets: the collector that ran the command. Nil
    /// if there is none. A service manager doesn't count: it keeps the socket, and is no collector.
    static func find(of sockets: [OfferedSocket], passedBy command: Int32) -> ProcessIdentity? {
        let cookies = Set(sockets.map(\.offer.socket.cookie))
        var candidate = ProcessFacts.parent(of: command)
        while let pid = candidate, pid > 0, !isServiceManager(pid) {
            if let process = (try? holder(of: cookies, pid)) ?? nil { return process }
            candidate = ProcessFacts.parent(of: pid)
        }
        return nil
    }

    /// The process that keeps the sockets open when their owner ends: the ancestor that is nearest to process 1, a
    /// service manager or a broker. Nil: no ancestor has them.
    ///
    /// - Parameters:
    ///   - pid: the owner, or the command that passed the sockets.
    ///   - besides: processes that don't count: the owner, and the command.
    static func keeper(of sockets: [OfferedSocket], above pid: Int32, besides: Set<Int32>) -> ProcessIdentity? {
        let cookies = Set(sockets.map(\.offer.socket.cookie))
        var keeper: ProcessIdentity?
        var candidate = ProcessFacts.parent(of: pid)
        while let pid = candidate, pid > 0 {
            if !besides.contains(pid), let process = (try? holder(of: cookies, pid)) ?? nil { keeper = process }
            candidate = ProcessFacts.parent(of: pid)
        }
        return keeper
    }

    /// False: the process has none of the sockets. True also if the agent may not look into it.
    static func mayRead(_ process: ProcessIdentity, _ sockets: [OfferedSocket]) -> Bool {
        do { return try holder(of: Set(sockets.map(\.offer.socket.cookie)), process.pid) != nil } catch { return true }
    }

    /// The first of the sockets that the process doesn't have. Nil: it has all of them, or the agent may not look into
    /// it.
    static func socketOfAnother(than process: ProcessIdentity, _ sockets: [OfferedSocket]) -> RegistrationPlan.Offer? {
        guard sockets.count > 1, let holder = try? OtherProcess(pid: process.pid), holder.identity == process,
            let own = try? holder.sockets(borrowing: { _ in false })
        else { return nil }
        let cookies = Set(own.all.map(\.cookie))
        return sockets.map(\.offer).first { !cookies.contains($0.socket.cookie) }
    }

    /// In a container, process 1 is a collector as any other.
    private static func isServiceManager(_ pid: Int32) -> Bool {
        pid == 1
            && ["systemd", "init", "openrc-init", "s6-svscan", "runit", "launchd"].contains(ProcessFacts.name(of: 1))
    }

    /// The process, if it has one of the sockets.
    ///
    /// - Throws: it is gone, or the agent may not look into it.
    private static func holder(of cookies: Set<UInt64>, _ pid: Int32) throws(KernelError) -> ProcessIdentity? {
        let process = try OtherProcess(pid: pid)
        return try process.firstSocket(of: cookies) == nil ? nil : process.identity
    }
}
