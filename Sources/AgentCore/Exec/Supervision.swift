import CBPFShim
import Glibc
import PoolModel

/// The loop of `exec` while its command runs: one thread waits for signals, the agent's answers and the
/// time of the next registration attempt.
package final class Supervision {
    private enum Phase {
        case running
        /// The command wasn't registered in time, and is terminated. It is killed at `killTime` if it still runs.
        case refused(Failure, killTime: ContinuousClock.Instant)
        /// The command went to the background, and what it left is terminated.
        case endingRest(CommandEnd, ProcessEnding, next: ContinuousClock.Instant)
    }

    private let command: LaunchedCommand
    private let program: String
    private let maintainer: RegistrationMaintainer
    /// When the command must be registered; nil means no limit.
    private let deadline: ContinuousClock.Instant?
    private let wait: Double?
    private let log: ExecLog
    private var phase = Phase.running
    /// The process that lost its name to the command.
    private var predecessorEnd: PredecessorEnd?

    /// - Parameter program: of the command, as messages name it.
    package init(
        _ command: LaunchedCommand, program: String, maintainer: RegistrationMaintainer, wait: Double?, log: ExecLog
    ) {
        self.log = log
        self.command = command
        self.program = program
        self.maintainer = maintainer
        self.wait = wait
        deadline = wait.map { .now + .seconds($0) }
    }

    /// - Returns: the command's wait status.
    /// - Throws: the reason why the command wasn't registered in time, or can't be supervised; it has ended.
    package func run() throws(Failure) -> Int32 {
        while true {
            command.proceed()
            let now = ContinuousClock.now
            if let status = command.end, try isOver(status, at: now) { return status }
            if case .running = phase { register(at: now) }
            endIfLate(at: now)
            log.proceed()
            var waits = [command.signals.number, isRunning ? maintainer.answer : nil, predecessorEnd?.answer]
                .map { pollfd(reading: $0) }
            poll(&waits, until: nextDeadline(after: now))
        }
    }

    private var isRunning: Bool { if case .running = phase { true } else { false } }

    private func register(at now: ContinuousClock.Instant) {
        if command.takeEndRequest() { maintainer.noteEndRequest(at: now) }
        for line in maintainer.proceed(at: now) { log.say(line) }
        if let predecessor = maintainer.takePredecessor() {
            predecessorEnd = PredecessorEnd(
                predecessor, of: maintainer.collector, client: maintainer.client, start: now)
        }
        for line in predecessorEnd?.proceed(at: now) ?? [] { log.say(line) }
    }

    /// The command's first process has ended.
    ///
    /// - Returns: whether nothing remains to be done.
    private func isOver(_ status: Int32, at now: ContinuousClock.Instant) throws(Failure) -> Bool {
        switch phase {
        case .refused(let failure, _): throw failure
        case .endingRest(let end, let ending, _): return try endRest(of: end, ending, at: now)
        case .running: break
        }
        let end = CommandEnd(
            status: status, wasAskedToEnd: command.wasAskedToEnd,
            wasCollector: maintainer.isRegisteredProcessOver(command.pid), left: command.leftProcesses())
        if status != 0, !command.wasAskedToEnd, !maintainer.wasRegistered,
            let line = CommandEnd.line(about: maintainer.socketsOfOtherUsers(), user: geteuid())
        {
            log.say(line)
        }
        guard end.wentToBackground else { return true }
        // What is registered works, and nobody asked exec to end it.
        guard wait != nil, !maintainer.wasRegistered else {
            log.say(ExecLine(level: .error, text: "\(end.failure(of: program, .unsupervised))"))
            return true
        }
        log.say(end.terminationLine)
        return try endRest(of: end, ProcessEnding(start: now), at: now)
    }

    /// - Returns: false: what the command left still runs.
    private func endRest(
        of end: CommandEnd, _ ending: ProcessEnding, at now: ContinuousClock.Instant
    ) throws(Failure) -> Bool {
        var (end, ending) = (end, ending)
        let left = command.leftProcesses()
        switch ending.step(left.map(\.pid), at: now) {
        case .ended: throw end.failure(of: program, .terminated)
        case .failed:
            end.left = left
            throw end.failure(of: program, .unending)
        case .signal(let pids, let kills, let next):
            for pid in pids { kill(pid, kills ? SIGKILL : SIGTERM) }
            phase = .endingRest(end, ending, next: next)
        }
        return false
    }

    private func endIfLate(at now: ContinuousClock.Instant) {
        switch phase {
        case .running: terminateIfUnregistered(at: now)
        case .refused(let failure, let killTime):
            guard now >= killTime else { return }
            command.send(SIGKILL)
            phase = .refused(failure, killTime: now + ProcessEnding.grace)
        case .endingRest: break
        }
    }

    private func terminateIfUnregistered(at now: ContinuousClock.Instant) {
        guard let deadline, now >= deadline, !maintainer.wasRegistered else { return }
        var failure =
            maintainer.lastFailure
            ?? Failure(
                .absent, act: "register the command's sockets", cause: "the agent has not answered",
                remedy: "check the agent's log")
        failure.cause += ", after \(wait!) s"
        log.say(
            ExecLine(level: .error, text: "the command is terminated: it was not registered in \(wait!) s"))
        command.send(SIGTERM)
        phase = .refused(failure, killTime: now + ProcessEnding.grace)
    }

    private func nextDeadline(after now: ContinuousClock.Instant) -> ContinuousClock.Instant {
        switch phase {
        case .refused(_, let killTime): return killTime
        case .endingRest(_, _, let next): return next
        case .running: break
        }
        // Check once a second whether the agent's answers have timed out.
        let answer = now + .seconds(1)
        var next = maintainer.answer == nil ? maintainer.next : answer
        if let predecessorEnd {
            next = min(next, predecessorEnd.next ?? (predecessorEnd.answer == nil ? next : answer))
        }
        return maintainer.wasRegistered ? next : min(next, deadline ?? next)
    }
}
