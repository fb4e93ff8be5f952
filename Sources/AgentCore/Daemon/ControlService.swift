import CBPFShim
import Glibc
import Logging
import PoolModel
import PoolReport
import SockArrayCore

/// Carries out what arrives on the control socket. Who may open that socket may
/// do all of it; a process of another user can be named by root alone.
final class ControlService {
    /// Maximum bytes of a request.
    static let requestLimit = 65_536

    private let pool: RunningPool
    private let registration: ControlRegistration
    private let audit: AuditTimer
    private let eventRecorder: EventRecorder
    /// Where the agent listens.
    private let places: [String]
    private let log: Logger
    /// By collector: `exec` asks again each second.
    private var lastRefusals: [String: Failure] = [:]

    init(
        pool: RunningPool, watch: CollectorWatch, audit: AuditTimer, eventRecorder: EventRecorder, places: [String],
        log: Logger
    ) {
        self.pool = pool
        self.places = places
        registration = ControlRegistration(pool: pool, watch: watch)
        self.audit = audit
        self.eventRecorder = eventRecorder
        self.log = log
    }

    private var kernel: Pool { pool.kernel }

    /// The answer to a complete request.
    func answer(_ request: Request) -> [UInt8] {
        let wanted = try? JSON.decode(ControlRequest.self, from: request.bytes)
        eventRecorder.noteChanges()
        let reply = self.reply(to: wanted, request)
        // Whoever says nothing asked only whether somebody listens (`check`).
        if !request.bytes.isEmpty { report(reply, to: wanted) }
        return (try? JSON.encode(reply)) ?? []
    }

    private func reply(to wanted: ControlRequest?, _ request: Request) -> ControlReply {
        func malformed(_ cause: String) -> ControlReply {
            .failure(
                Failure(
                    .usage, act: "carry out a request on the control socket", cause: cause,
                    remedy: "use the reuseport-agent command of the agent's own version"))
        }
        if let errno = request.descriptorRefusal {
            return .failure(
                Self.descriptorsRefused(
                    received: request.descriptors.count, errno: errno, act: "receive the passed sockets"))
        }
        if request.isTooLarge {
            return malformed(
                request.bytes.count > Self.requestLimit
                    ? "it has more than \(Self.requestLimit) bytes"
                    : "it has more than \(RPA_MAX_PASSED) descriptors")
        }
        guard let wanted else {
            return malformed("it is not a request that this agent knows")
        }
        do {
            switch wanted {
            case .register(let collector, let labels, let hasOwner, let manner):
                return .changed(
                    try registration.register(collector, labels, hasOwner: hasOwner ?? false, manner, request))
            case .registerProcess(let collector, let pid, let manner):
                return .changed(try registration.registerProcess(collector, pid: pid, manner, request))
            case .unregister(let collector): return .changed(try kernel.unregister(collector))
            case .drain(let collector): return .done(changed: try kernel.drain(collector))
            case .undrain(let collector): return .done(changed: try kernel.undrain(collector))
            case .drainProgress(let collector): return .progress(try kernel.progress(ofDraining: collector))
            case .queues(let cookies):
                return .progress(try kernel.queues(of: Set(cookies), act: "look at the queues"))
            case .extendHold(let collector): return .done(changed: try extendHold(of: collector))
            case .status: return .status(try pool.status())
            case .events(let count):
                return .events(Array(pool.events.after(0).suffix(min(max(0, count), EventLog.capacity))))
            case .audit: return .audited(try audit.audit())
            case .places: return .places(pool: kernel.configuration.pool, names: places)
            case .explain(let texts):
                return .explanations(try kernel.explain(try texts.map { try IPAddress(argument: $0) }))
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

    private func extendHold(of collector: String) throws(Failure) -> Bool {
        guard let grant = try kernel.extendHold(of: collector) else { return false }
        if grant.isFirst {
            log.of(collector).notice(
                """
                collector \(collector): its command runs and hasn't bound all of its sockets; the hold of its exporters \
                is extended, by at most \(HoldExtension.limit)
                """)
        }
        return true
    }

    /// The agent got fewer descriptors than the client passed.
    static func descriptorsRefused(received: Int, errno: Int32, act: String) -> Failure {
        let cause = "the kernel passed only \(received) of the client's descriptors to the agent"
        if var failure = Failure.openFiles(act: act, errno: errno) {
            failure.cause = "\(cause): \(failure.cause)"
            if errno == EMFILE {
                failure.cause = "\(cause): its limit of open files (RLIMIT_NOFILE) is reached"
                failure.remedy = "raise LimitNOFILE= of the agent's unit (ulimit -n), and restart it"
            }
            return failure
        }
        return Failure(
            .privilege, act: act, cause: "\(cause) (MSG_CTRUNC): a security module may refuse them", errno: errno,
            remedy: "allow the agent to receive the collector's sockets, or register it with --pid")
    }

    private func report(_ reply: ControlReply, to wanted: ControlRequest?) {
        if isRepeated(reply, to: wanted) { return }
        switch (reply, wanted) {
        case (.changed(let change), .register(let collector, _, _, _)) where change.changed,
            (.changed(let change), .registerProcess(let collector, _, _)) where change.changed:
            // The loss of the previous process is logged first.
            pool.losses.report(of: collector)
            let groups = change.groups.joined(separator: ", ")
            let predecessor = change.predecessor.map { old in
                ", in place of " + (old.process.map { "process \($0.pid)" } ?? "another process")
            }
            log.of(collector, key: "registered \(change.slot) \(groups) \(predecessor != nil)").notice(
                "collector \(collector) is registered: groups \(groups)\(predecessor ?? "")")
        case (.changed(let change), .unregister(let collector)) where change.changed:
            pool.losses.report(of: collector)
            pool.losses.note(collector, PoolHistory.unregistered)
            log.of(collector).notice("collector \(collector) is unregistered")
        case (.done(changed: true), .drain(let collector)):
            log.of(collector).notice("collector \(collector) is draining")
        case (.done(changed: true), .undrain(let collector)):
            log.of(collector).notice("collector \(collector) is no longer draining")
        case (.failure(let failure), _):
            let key = wanted?.collector.map { _ in failure.key }
            log.of(wanted?.collector, key: key).log(level: Self.level(of: failure, refusing: wanted), "\(failure)")
        // Asked again and again while a collector starts.
        case (.incomplete(let failure), _): log.of(wanted?.collector, key: failure.key).debug("\(failure)")
        default: break
        }
    }

    /// The client gets every failure as the answer. The log shows the operator what keeps a
    /// collector from its exporters, and what the agent lacks.
    private static func level(of failure: Failure, refusing wanted: ControlRequest?) -> Logger.Level {
        switch wanted {
        // As after SIGHUP: the changed file isn't in force.
        case .reload: return .error
        case _ where failure.kind == .privilege: return .warning
        case .status, .events, .audit, .places, .explain, .plan, .queues, .drainProgress, .markLoads, .extendHold:
            return .debug
        case .rebalance(_, _, _, apply: false): return .debug
        // Not a request at all.
        case nil: return .info
        default: return .warning
        }
    }

    /// Whether the collector's last registration was refused for the same reason.
    private func isRepeated(_ reply: ControlReply, to wanted: ControlRequest?) -> Bool {
        switch wanted {
        case .register(let collector, _, _, _), .registerProcess(let collector, _, _):
            var refusal: Failure?
            if case .failure(let failure) = reply { refusal = failure }
            defer { lastRefusals[collector] = refusal }
            return refusal != nil && lastRefusals[collector] == refusal
        default: return false
        }
    }
}
