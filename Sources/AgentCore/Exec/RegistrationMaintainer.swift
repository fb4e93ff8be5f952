import Glibc
import PoolModel
import PoolReport
import SockArrayCore

/// Registers a collector that is a descendant of this process, and keeps it registered. It never blocks:
/// the caller calls `proceed` when time has passed or the agent has answered.
package final class RegistrationMaintainer {
    private enum Step {
        case idle
        case asking(ControlExchange, Question)
    }

    private enum Question {
        case groups
        /// Asks for the first process, and then for the others.
        case register([Int32])
        case holdExtension
    }

    /// The pool's groups as the agent last named them.
    private struct KnownGroups {
        var groups: [ReuseportGroup] = []
        /// When they are asked for again.
        var end: ContinuousClock.Instant
    }

    let collector: String
    let client: ControlClient
    /// The first registration takes the name over from another live process.
    private let takesOver: Bool
    private var step = Step.idle
    private var known: KnownGroups
    /// Whether the agent searches for `exec`; requests are less frequent than own searches.
    private var asksForHidden = false
    private var retryPolicy: RegistrationRetryPolicy
    /// The process that was registered last. A further registration of the same process is a renewal.
    private var registered: ProcessIdentity?
    /// When the next attempt is due, unless one is in progress.
    private(set) var next: ContinuousClock.Instant
    private(set) var lastFailure: Failure?
    private var holdRequests = HoldRequests()
    /// The process that lost the name to the command, until `takePredecessor`.
    private var predecessor: RegistrationChange.Predecessor?
    /// With `takesOver`: the process that had the name before the first attempt.
    private var former: RegistrationChange.Predecessor?
    /// How long the agent's answer about the pool's groups stays valid while a collector binds its sockets.
    private static let groupsLife: Duration = .seconds(3)

    /// - Parameter takesOver: the command takes the name over from another live process.
    package init(collector: String, client: ControlClient, takesOver: Bool = false) {
        self.collector = collector
        self.client = client
        self.takesOver = takesOver
        next = .now
        known = KnownGroups(end: next)
        retryPolicy = RegistrationRetryPolicy(collector: collector, agentPath: client.path, start: next)
    }

    private var act: String { "register \(collector)" }
    var wasRegistered: Bool { retryPolicy.wasRegistered }

    /// Whether the process that was registered last has ended, as this one has.
    func isRegisteredProcessOver(_ pid: Int32) -> Bool { registered.map { $0.pid == pid || !$0.isAlive } ?? false }

    /// The command was asked to end.
    func noteEndRequest(at now: ContinuousClock.Instant) { retryPolicy.noteEndRequest(at: now) }

    /// Sockets of other users in the pool's groups, which keep those of this process's user out; empty if the agent
    /// has never named the groups.
    func socketsOfOtherUsers() -> [(group: ReuseportGroup, user: UInt32)] {
        let own = geteuid()
        return known.groups.compactMap { group in
            let members = (try? SocketDump.members(of: group.transport, port: group.port)) ?? []
            return members.first { group.hasMember($0) && $0.user != own }.map { (group, $0.user) }
        }
    }

    /// The process that lost the name to the command; nil from the second call on.
    func takePredecessor() -> RegistrationChange.Predecessor? {
        defer { predecessor = nil }
        return predecessor
    }

    /// The descriptor to poll for the agent's answer; nil if no request is in progress.
    package var answer: Int32? {
        if case .asking(let exchange, _) = step { exchange.number } else { nil }
    }

    /// - Returns: lines to log.
    func proceed(at now: ContinuousClock.Instant) -> [ExecLine] {
        var lines: [ExecLine] = []
        while true {
            do {
                guard let outcome = try advance(at: now) else { return lines }
                if let line = note(outcome, at: now) { lines.append(line) }
            } catch {
                if let line = note(RegistrationOutcome(error), at: now) { lines.append(line) }
            }
        }
    }

    private func note(_ outcome: RegistrationOutcome, at now: ContinuousClock.Instant) -> ExecLine? {
        step = .idle
        lastFailure = outcome.failure
        let (line, pause) = retryPolicy.note(outcome, at: now)
        next = now + (asksForHidden ? max(pause, RegistrationRetryPolicy.slowPause) : pause)
        // The agent may have another configuration by the next attempt.
        if case .incomplete = outcome {
            holdRequests.isIncomplete = true
        } else {
            holdRequests.isIncomplete = false
            known.end = now
        }
        return line.map { ExecLine(level: outcome.level, text: $0, key: outcome.key(of: $0)) }
    }

    /// Proceeds as far as possible without blocking.
    ///
    /// - Returns: nil if the attempt isn't finished.
    private func advance(at now: ContinuousClock.Instant) throws(Failure) -> RegistrationOutcome? {
        while true {
            switch step {
            case .idle:
                guard now >= next else { return nil }
                if now >= known.end {
                    try ask(.status, for: .groups)
                } else if !retryPolicy.isEnding, holdRequests.takeDue(at: now) {
                    try ask(.extendHold(collector: collector), for: .holdExtension)
                } else if let outcome = try search(at: now) {
                    return outcome
                }
            case .asking(let exchange, let question):
                guard let reply = try exchange.proceed() else { return nil }
                step = .idle
                if let outcome = try take(reply, to: question, at: now) { return outcome }
            }
        }
    }

    private func ask(_ request: ControlRequest, _ descriptors: [Int32] = [], for question: Question) throws(Failure) {
        step = .asking(try ControlExchange(request, descriptors: descriptors, to: client, act: act), question)
    }

    private func search(at now: ContinuousClock.Instant) throws(Failure) -> RegistrationOutcome? {
        asksForHidden = false
        switch CollectorSearch.among(descendantsOf: getpid(), groups: known.groups, act: act) {
        case .incomplete(let failure): return .incomplete(failure)
        case .unfit(let failure): throw failure
        case .hidden(let pids):
            asksForHidden = true
            return try askForHidden(pids)
        case .found(let process, let sockets):
            // The borrowed sockets stay open until they are sent.
            try withExtendedLifetime(sockets) { () throws(Failure) in
                try ask(
                    .register(
                        collector: collector, labels: sockets.map(\.offer.label), hasOwner: true,
                        manner: manner(of: process.pid)),
                    sockets.map(\.number) + [process.number], for: .register([process.pid]))
            }
        }
        return nil
    }

    private func askForHidden(_ pids: [Int32]) throws(Failure) -> RegistrationOutcome? {
        let process: OtherProcess
        do { process = try OtherProcess(pid: pids[0]) } catch {
            let isGone = error.errno == KernelError.noProcess
            let failure = Failure(
                isGone ? .unfitSocket : .privilege, act: act,
                cause: isGone ? "process \(pids[0]) is gone" : "\(error.operation) was refused", errno: error.errno,
                remedy: "let the seccomp profile allow pidfd_open(2), or run from outside: "
                    + "reuseport-agent register --collector \(collector) --pid PID")
            if isGone { return .incomplete(failure) }
            throw failure
        }
        try ask(
            .registerProcess(collector: collector, pid: process.pid, manner: manner(of: process.pid)),
            [process.number], for: .register(pids))
        return nil
    }

    private func manner(of pid: Int32) -> RegistrationManner? {
        guard let registered else { return takesOver ? .takeover : nil }
        return registered == ProcessIdentity(pid: pid) ? .renewal : nil
    }

    /// An agent that is killed before it answers a takeover takes its knowledge of the process before with it.
    private func noteFormer(_ own: PoolStatus.Collector) {
        guard takesOver, registered == nil, former == nil, let pid = own.pid,
            !ProcessFacts.descendants(of: getpid()).contains(pid)
        else { return }
        former = ProcessIdentity(pid: pid).map {
            RegistrationChange.Predecessor(process: $0, cookies: own.groups.values.compactMap(\.cookie))
        }
    }

    private func take(
        _ reply: ControlReply, to question: Question, at now: ContinuousClock.Instant
    ) throws(Failure) -> RegistrationOutcome? {
        switch (reply, question) {
        case (.status(let status), .groups):
            guard let own = status.collectors.first(where: { $0.name == collector }) else {
                throw .unknownCollector(pool: status.pool, names: status.collectors.map(\.name), act: act)
            }
            noteFormer(own)
            holdRequests.isHeld = own.state == SlotState.holding(left: .zero).name
            known = KnownGroups(groups: status.groups.compactMap(ReuseportGroup.init), end: now + Self.groupsLife)
            return nil
        case (_, .holdExtension):
            if reply.done == nil { holdRequests.noteRefusal(at: now) }
            return nil
        case (.changed(let change), .register(let pids)):
            if let replaced = change.predecessor {
                predecessor = replaced
            } else if registered == nil {
                predecessor = former
            }
            registered = ProcessIdentity(pid: pids[0])
            former = nil
            return .registered(change, pid: pids[0])
        case (.incomplete, .register(let pids)) where pids.count > 1:
            return try askForHidden(Array(pids.dropFirst()))
        case (.incomplete(let failure), _): return .incomplete(failure)
        // Neither the agent nor `exec` may look into it.
        case (.failure(let failure), .register(let pids))
        where asksForHidden && failure.errno == EPERM && ProcessFacts.user(of: pids[0]) == geteuid():
            throw CollectorProcess.couldNotBorrow(pids[0], ofUserOf: "exec", errno: EPERM, act: act)
        // The process ended while the request was on its way.
        case (.failure(let failure), .register) where failure.errno == KernelError.noProcess:
            return .incomplete(failure)
        default: throw reply.unexpected(act: act)
        }
    }

}

extension ReuseportGroup {
    /// A group from the agent's status; nil if this version doesn't know its protocol or address.
    package init?(_ group: PoolStatus.Group) {
        guard let transport = TransportProtocol(rawValue: group.protocol), let address = IPAddress(group.address),
            let port = UInt16(exactly: group.port)
        else { return nil }
        self.init(
            name: group.name, transport: transport, address: address, port: port, interface: group.interface)
    }
}
