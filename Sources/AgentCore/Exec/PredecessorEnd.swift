import Glibc
import PoolModel
import SockArrayCore

/// Ends the process that lost its name to the command of `exec --replace`, as soon as that process has read its
/// queues. It never blocks: the caller calls `proceed` when time has passed or the agent has answered.
final class PredecessorEnd {
    private let collector: String
    private let client: ControlClient
    private let predecessor: RegistrationChange.Predecessor
    private var wait: QueueWaitPolicy
    private var exchange: ControlExchange?
    /// The process has been sent SIGTERM.
    private var hasTerminated = false
    /// A process that still runs so long after SIGTERM is reported.
    private static let endTime: Duration = .seconds(10)
    /// When to look at the queues, or whether the process has ended; nil: an answer is pending, or nothing remains to
    /// be done.
    private(set) var next: ContinuousClock.Instant?

    init(
        _ predecessor: RegistrationChange.Predecessor, of collector: String, client: ControlClient,
        start: ContinuousClock.Instant
    ) {
        self.collector = collector
        self.client = client
        self.predecessor = predecessor
        wait = QueueWaitPolicy(start: start)
        next = start
        // Both belong to one unit of systemd, which would end with the exec that systemd started.
        let groups = predecessor.process.flatMap { ProcessFacts.controlGroups(of: $0.pid) }
        if let groups, groups == ProcessFacts.controlGroups(of: getpid()) {
            ServiceManager.tell("MAINPID=\(getpid())")
        }
    }

    /// The descriptor to poll for the agent's answer; nil if no request is in progress.
    var answer: Int32? { exchange?.number }

    /// - Returns: lines to log.
    func proceed(at now: ContinuousClock.Instant) -> [ExecLine] {
        do {
            if let next, now >= next {
                self.next = nil
                if hasTerminated { return [lateEnd].compactMap(\.self) }
                exchange = try ControlExchange(.queues(cookies: predecessor.cookies), to: client, act: act)
            }
            guard let exchange, let reply = try exchange.proceed() else { return [] }
            self.exchange = nil
            guard let progress = reply.progress else { throw reply.unexpected(act: act) }
            return note(progress, at: now)
        } catch {
            // The maintainer reports an agent that doesn't answer.
            exchange = nil
            next = now + QueueWaitPolicy.failurePause
            return []
        }
    }

    /// nfacctd without BMP blocks SIGTERM until its next datagram, and none comes any more.
    private var lateEnd: ExecLine? {
        guard let identity = predecessor.process, identity.isAlive else { return nil }
        let failure = Failure(
            .conflict, act: act, cause: "it still runs \(Self.endTime) after SIGTERM",
            remedy:
                "it has read its queued data and receives no more: check whether it still processes them, then run: "
                + "kill -KILL \(identity.pid)")
        return ExecLine(level: .warning, text: "\(failure)")
    }

    private var act: String { "end \(process), the old \(collector)" }
    private var process: String { predecessor.process.map { "process \($0.pid)" } ?? "the process" }

    private func note(_ progress: DrainProgress, at now: ContinuousClock.Instant) -> [ExecLine] {
        switch wait.step(progress, at: now) {
        case .wait(let pause, let reports):
            next = now + pause
            guard reports else { return [] }
            let failure = Failure(
                .conflict, act: act,
                cause: "after \(QueueWaitPolicy.reportTime) it still has \(progress.queueText) to read",
                remedy: "exec ends it when it has read them; if it hangs, end it by hand")
            return [ExecLine(level: .warning, text: "\(failure)")]
        case .empty: return [end(at: now)]
        }
    }

    private func end(at now: ContinuousClock.Instant) -> ExecLine {
        guard let identity = predecessor.process else {
            let failure = Failure(
                .absent, act: act, cause: "the agent doesn't know its pid",
                remedy: "it has read its queued data: end it by hand")
            return ExecLine(level: .warning, text: "\(failure)")
        }
        do {
            let isSent = try identity.terminate(asOld: collector)
            if isSent { (next, hasTerminated) = (now + Self.endTime, true) }
            let text =
                isSent
                ? "\(process), the old \(collector), has read its queued data and got SIGTERM"
                : "\(process), the old \(collector), has ended, or runs in another PID namespace: end it there"
            return ExecLine(level: .notice, text: text)
        } catch {
            return ExecLine(level: .warning, text: "\(error)")
        }
    }
}

/// Decides when a process that lost its name has read its queues.
struct QueueWaitPolicy {
    private let start: ContinuousClock.Instant
    private var emptySince: ContinuousClock.Instant?
    private var hasReported = false
    /// After this time, a process that still has data to read is reported once.
    static let reportTime: Duration = .seconds(30)
    static let failurePause: Duration = .seconds(1)

    init(start: ContinuousClock.Instant) { self.start = start }

    enum Step: Equatable {
        /// - Parameter reports: whether the process is to be reported now.
        case wait(Duration, reports: Bool)
        case empty
    }

    mutating func step(_ progress: DrainProgress, at now: ContinuousClock.Instant) -> Step {
        emptySince = progress.isEmpty ? emptySince ?? now : nil
        if let emptySince, now - emptySince >= ControlClient.settling { return .empty }
        let reports = !hasReported && emptySince == nil && now - start >= Self.reportTime
        if reports { hasReported = true }
        return .wait(PollBackoff.queues.pause(after: now - start), reports: reports)
    }
}
