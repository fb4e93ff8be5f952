import CBPFShim
import Logging
import SockArrayCore

/// Carries out what arrives on the control socket. Who may open that socket may
/// do all of it; a process of another user can be named by root alone.
final class ControlService: RequestService {
    let requestLimit = 65_536
    let connectionLimit = 64
    let timeLimitNanoseconds: UInt64 = 5_000_000_000

    private let pool: RunningPool
    private let log: Logger
    /// By collector: `exec` asks again each second.
    private var lastRefusals: [String: Failure] = [:]

    init(pool: RunningPool, log: Logger) {
        self.pool = pool
        self.log = log
    }

    private var plane: DataPlane { pool.plane }

    func answer(_ request: Request, atEnd: Bool) -> [UInt8]? {
        guard atEnd else { return nil }
        let wanted = try? JSON.decode(ControlRequest.self, from: request.bytes)
        let reply = self.reply(to: wanted, request)
        // Whoever says nothing asked only whether somebody listens (`check`).
        if !request.bytes.isEmpty { report(reply, to: wanted) }
        return try? JSON.encode(reply)
    }

    private func reply(to wanted: ControlRequest?, _ request: Request) -> ControlReply {
        func malformed(_ cause: String) -> ControlReply {
            .failure(
                Failure(
                    .usage, act: "carry out a request on the control socket", cause: cause,
                    remedy: "use the reuseport-agent command of the agent's own version"))
        }
        if request.isTooLarge {
            return malformed("it has more than \(requestLimit) bytes or \(RPA_MAX_PASSED) descriptors")
        }
        guard let wanted else {
            return malformed("it is not a request that this agent knows")
        }
        do {
            switch wanted {
            case .register(let collector, let labels, let hasOwner):
                return .changed(try register(collector, labels, hasOwner: hasOwner ?? false, request))
            case .registerProcess(let collector, let pid):
                return .changed(try registerProcess(collector, pid: try self.pid(pid, request), peer: request.peer))
            case .unregister(let collector): return .changed(try plane.unregister(collector))
            case .status: return .status(try plane.status())
            case .explain(let texts):
                return .explanations(try plane.explain(try texts.map { try IPAddress(argument: $0) }))
            case .plan(let change): return .moves(try pool.plan(change))
            case .markLoads: return .marked(try pool.markLoads())
            case .rebalance(let bound, let sinceMark, let startsOver, let apply):
                return .rebalanced(
                    try pool.rebalance(bound: bound, sinceMark: sinceMark, startsOver: startsOver, apply: apply))
            case .reload(let reshuffle): return .moves(try pool.reload(reshuffle: reshuffle))
            }
        } catch let refusal as RegistrationPlan.Refusal {
            if case .incomplete(let failure) = refusal { return .incomplete(failure) }
            return .failure(refusal.failure)
        } catch let failure as Failure {
            return .failure(failure)
        } catch {
            return malformed("\(error)")
        }
    }

    private func register(
        _ collector: String, _ labels: [String], hasOwner: Bool, _ request: Request
    ) throws -> DataPlane.Change {
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
                throw Failure(
                    .unfitSocket, act: act, cause: "\(label) is not a socket", errno: error.errno,
                    remedy: "pass the collector's UDP or listening TCP socket")
            }
        }
        let passed = hasOwner ? try passedProcess(request, act: act) : nil
        let owner =
            passed.map(\.identity) ?? SocketOwner.find(of: sockets, passedBy: request.peer.pid)
        return try plane.register(collector, sockets, owner: owner)
    }

    /// The process that the request's last descriptor is a pidfd of.
    private func passedProcess(_ request: Request, act: String) throws(Failure) -> PassedProcess? {
        guard let descriptor = request.descriptors.last?.take() else { return nil }
        do {
            return try PassedProcess(descriptor)
        } catch {
            throw Failure(
                .usage, act: act, cause: "the descriptor of the owner is not a pidfd", errno: error.errno,
                remedy: "use the reuseport-agent command of the agent's own version")
        }
    }

    /// Of the pidfd that came, or else as it was said.
    private func pid(_ said: Int32, _ request: Request) throws(Failure) -> Int32 {
        let act = "borrow the sockets of process \(said)"
        guard let passed = try passedProcess(request, act: act) else { return said }
        if let identity = passed.identity { return identity.pid }
        throw Failure(
            .privilege, act: act, cause: "it is gone, or not visible in the agent's PID namespace",
            errno: KernelError.noProcess,
            remedy: "let the command look into it itself (CAP_SYS_PTRACE), or run the agent in the host's PID namespace"
        )
    }

    private func registerProcess(
        _ collector: String, pid: Int32, peer: rpa_peer
    ) throws -> DataPlane.Change {
        let act = "register \(collector)"
        guard let owner = ProcessIdentity(pid: pid) else {
            throw Failure(
                .unfitSocket, act: act, cause: "there is no process \(pid)", errno: KernelError.noProcess,
                remedy: "name the collector's own pid, as the agent's pid namespace knows it")
        }
        guard peer.uid == 0 || peer.uid == ProcessFacts.user(of: pid) else {
            throw Failure(
                .privilege, act: act, cause: "process \(pid) belongs to another user than you (uid \(peer.uid))",
                remedy: "run it as root or as the collector's user")
        }
        let sockets = try CollectorProcess.sockets(of: pid, act: act)
        let members = sockets.filter { socket in
            plane.configuration.groups.contains { $0.hasCandidate(socket.offer.socket) }
        }
        guard members.isEmpty else {
            do {
                return try plane.register(collector, members, owner: owner)
            } catch {
                throw error.telling(whatItHas: sockets)
            }
        }
        try plane.checked(collector, act: act)
        throw RegistrationPlan.Refusal.incomplete(
            CollectorProcess.hasNoMember(pid, sockets, plane.configuration.groups, act: act))
    }

    private func report(_ reply: ControlReply, to wanted: ControlRequest?) {
        if isRepeated(reply, to: wanted) { return }
        switch (reply, wanted) {
        case (.changed(let change), .register(let collector, _, _)) where change.changed,
            (.changed(let change), .registerProcess(let collector, _)) where change.changed:
            log.notice(
                "collector \(collector) is registered: slot \(change.slot), groups \(change.groups.joined(separator: ", "))"
            )
        case (.changed(let change), .unregister(let collector)) where change.changed:
            log.notice("collector \(collector) is unregistered: slot \(change.slot)")
        case (.failure(let failure), _): log.warning("\(failure)")
        // Asked again and again while a collector starts.
        case (.incomplete(let failure), _): log.debug("\(failure)")
        default: break
        }
    }
    /// Whether the collector's last registration was refused for the same reason.
    private func isRepeated(_ reply: ControlReply, to wanted: ControlRequest?) -> Bool {
        switch wanted {
        case .register(let collector, _, _), .registerProcess(let collector, _):
            var refusal: Failure?
            if case .failure(let failure) = reply { refusal = failure }
            defer { lastRefusals[collector] = refusal }
            return refusal != nil && lastRefusals[collector] == refusal
        default: return false
        }
    }
}
