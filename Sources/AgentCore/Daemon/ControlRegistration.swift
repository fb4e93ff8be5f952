import CBPFShim
import Glibc
import PoolModel
import SockArrayCore

/// Registrations that arrive on the control socket: by descriptors, or by naming a process.
struct ControlRegistration {
    let pool: RunningPool
    let watch: CollectorWatch

    func register(
        _ collector: String, _ labels: [String], hasOwner: Bool, _ manner: RegistrationManner?, _ request: Request
    ) throws -> RegistrationChange {
        let act = "register \(collector)"
        let announced = labels.count + (hasOwner ? 1 : 0)
        guard announced == request.descriptors.count, !labels.isEmpty else {
            throw Failure(
                .usage, act: act,
                cause: "\(announced) descriptors were announced and \(request.descriptors.count) came",
                remedy: "use the reuseport-agent command of the agent's own version")
        }
        var sockets: [OfferedSocket] = []
        for (label, passed) in zip(labels, request.descriptors) {
            guard let descriptor = passed.take() else { continue }
            do {
                sockets.append(try OfferedSocket(descriptor, label: label))
            } catch {
                throw Failure.openFiles(act: act, errno: error.errno)
                    ?? Failure(
                        .unfitSocket, act: act, cause: "\(label) is not a socket", errno: error.errno,
                        remedy: "pass the collector's UDP or listening TCP socket")
            }
        }
        let passed = hasOwner ? try passedProcess(request, act: act) : nil
        if let passed, let identity = passed.identity {
            try checkMayName(identity, ofUser: passed.user, request.peer, act: act)
            guard manner == .renewal || SocketOwner.mayRead(identity, sockets) else {
                throw Failure(
                    .unfitSocket, act: act, cause: "none of these sockets is open in process \(identity.pid)",
                    remedy: "name the process that reads them: --owner PID, or leave it out if that is the one that "
                        + "runs this command")
            }
        }
        let owner = passed.map(\.identity) ?? SocketOwner.find(of: sockets, passedBy: request.peer.pid)
        if let owner, manner != .renewal, let other = SocketOwner.socketOfAnother(than: owner, sockets) {
            throw Self.isOfTwo(other, owner, act: act)
        }
        try checkMayRenew(collector, owner, manner, act: act)
        let command = request.peer.pid
        func keeper() -> ProcessIdentity? {
            let besides = Set([command, owner?.pid].compactMap(\.self))
            // A broker that isn't an ancestor of the owner is one of the command.
            return [owner?.pid ?? command, command].lazy
                .compactMap { SocketOwner.keeper(of: sockets, above: $0, besides: besides) }.first
        }
        if owner == nil, let keeper = keeper() { throw Self.hasNoReader(keeper, act: act) }
        let change = try pool.kernel.register(
            collector, sockets, owner: owner, keeper: keeper, replacing: manner == .takeover)
        if change.changed || passed != nil { watch.adopt(passed, of: Slot(change.slot)) }
        return change
    }

    func registerProcess(
        _ collector: String, pid said: Int32, _ manner: RegistrationManner?, _ request: Request
    ) throws -> RegistrationChange {
        let act = "register \(collector)"
        // Held from here on: whoever has its pid later is another process.
        let process = try self.process(said, request, act: act)
        guard let owner = process.identity else { throw Self.isGone(process.pid, act: act) }
        try checkMayName(owner, ofUser: process.user, request.peer, act: act)
        try checkMayRenew(collector, owner, manner, act: act)
        return try pool.register(collector, process, owner: owner, replacing: manner == .takeover)
    }

    private static func isOfTwo(_ socket: RegistrationPlan.Offer, _ owner: ProcessIdentity, act: String) -> Failure {
        Failure(
            .unfitSocket, act: act,
            cause:
                "\(socket.label) (\(socket.socket.endpoint)) is not open in process \(owner.pid), which has the other "
                + "sockets: a collector is one process",
            remedy: "register the sockets of each process under a collector's name of its own")
    }

    private static func hasNoReader(_ keeper: ProcessIdentity, act: String) -> Failure {
        Failure(
            .usage, act: act,
            cause: "process \(keeper.pid) keeps these sockets open, and which process reads them is unknown: the agent "
                + "would not notice when it ends",
            remedy: "name the process that reads them: --owner PID (in a unit's ExecStartPost: --owner $MAINPID)")
    }

    private static func isGone(_ pid: Int32, act: String) -> Failure {
        Failure(
            .unfitSocket, act: act, cause: "there is no process \(pid)", errno: KernelError.noProcess,
            remedy: "name the collector's own pid, as the agent's pid namespace knows it")
    }

    /// Who is an owner may be sent SIGTERM one day (`replace --terminate`).
    private func checkMayName(
        _ process: ProcessIdentity, ofUser user: UInt32?, _ peer: rpa_peer, act: String
    ) throws(Failure) {
        guard peer.uid == 0 || peer.uid == user else {
            throw Failure(
                .privilege, act: act,
                cause: "process \(process.pid) belongs to another user than you (uid \(peer.uid))",
                remedy: "run it as root or as the collector's user")
        }
    }

    /// What keeps a collector registered by itself leaves it alone when somebody has
    /// unregistered it.
    private func checkMayRenew(
        _ collector: String, _ owner: ProcessIdentity?, _ manner: RegistrationManner?, act: String
    ) throws(Failure) {
        guard manner == .renewal else { return }
        if let owner, let successor = try pool.kernel.successor(of: owner, collector, act: act) {
            throw Failure(
                .conflict, act: act, cause: "process \(successor.pid) was registered in its place",
                remedy: "end process \(owner.pid) by SIGTERM when it has read its queued data: it receives no more")
        }
        guard try pool.kernel.isDismissed(collector, owner, act: act) else { return }
        throw Failure(
            .conflict, act: act, cause: "it was unregistered by a command",
            remedy: "run: reuseport-agent register --collector \(collector) --pid PID; or start the collector again")
    }

    /// The process that the request's last descriptor is a pidfd of.
    private func passedProcess(_ request: Request, act: String) throws(Failure) -> WatchedProcess? {
        guard let descriptor = request.descriptors.last?.take() else { return nil }
        do { return try WatchedProcess(descriptor) } catch { throw Self.isNoPidfd(error, act: act) }
    }

    private static func isNoPidfd(_ error: KernelError, act: String) -> Failure {
        Failure(
            .usage, act: act, cause: "the descriptor of the owner is not a pidfd", errno: error.errno,
            remedy: "use the reuseport-agent command of the agent's own version")
    }

    /// Of the pidfd that came, or else as it was said.
    private func process(_ said: Int32, _ request: Request, act: String) throws(Failure) -> OtherProcess {
        guard let passed = request.descriptors.last?.take() else {
            do { return try OtherProcess(pid: said) } catch {
                if [ESRCH, EINVAL].contains(error.errno) { throw Self.isGone(said, act: act) }
                throw Failure.openFiles(act: act, errno: error.errno)
                    ?? Failure(
                        .privilege, act: act, cause: "\(error.operation) was refused", errno: error.errno,
                        remedy:
                            "let the agent call pidfd_open(2), or let the collector pass its sockets: register --fd N")
            }
        }
        do {
            return try OtherProcess(pidfd: passed)
        } catch {
            guard error.errno == KernelError.noProcess else { throw Self.isNoPidfd(error, act: act) }
            throw Failure(
                .privilege, act: "borrow the sockets of process \(said)",
                cause: "it is gone, or not visible in the agent's PID namespace", errno: error.errno,
                remedy: "let the command look into it itself (CAP_SYS_PTRACE), or run the agent in the host's PID "
                    + "namespace")
        }
    }
}
