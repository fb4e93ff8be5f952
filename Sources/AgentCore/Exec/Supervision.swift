import CBPFShim
import Glibc
import PoolModel

/// The loop of `exec` while its command runs: one thread waits for signals, the agent's answers and the
/// time of the next registration attempt.
package final class Supervision {
    private let command: LaunchedCommand
    private let maintainer: RegistrationMaintainer
    /// When the command must be registered; nil means no limit.
    private let deadline: ContinuousClock.Instant?
    private let wait: Double?
    private let log: ExecLog
    /// Why the command was terminated, and when it is killed if it still runs.
    private var refusal: (failure: Failure, killTime: ContinuousClock.Instant)?

    package init(_ command: LaunchedCommand, maintainer: RegistrationMaintainer, wait: Double?, log: ExecLog) {
        self.log = log
        self.command = command
        self.maintainer = maintainer
        self.wait = wait
        deadline = wait.map { .now + .seconds($0) }
    }

    /// - Returns: the command's wait status.
    /// - Throws: the reason why the command wasn't registered in time; the command has ended.
    package func run() throws(Failure) -> Int32 {
        while true {
            command.proceed()
            if let end = command.end {
                if let refusal { throw refusal.failure }
                return end
            }
            let now = ContinuousClock.now
            if refusal == nil {
                for line in maintainer.proceed(at: now) { log.say(line) }
            }
            endIfLate(at: now)
            log.proceed()
            let answer = refusal == nil ? maintainer.answer : nil
            var waits = [pollfd(reading: command.signals.number), pollfd(reading: answer)]
            poll(&waits, until: nextDeadline(after: now))
        }
    }

    private func endIfLate(at now: ContinuousClock.Instant) {
        if let refusal {
            guard now >= refusal.killTime else { return }
            command.send(SIGKILL)
            self.refusal = (refusal.failure, now + .seconds(10))
            return
        }
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
        refusal = (failure, now + .seconds(10))
    }

    private func nextDeadline(after now: ContinuousClock.Instant) -> ContinuousClock.Instant {
        if let refusal { return refusal.killTime }
        // Check once a second whether the agent's answer has timed out.
        let next = maintainer.answer == nil ? maintainer.next : now + .seconds(1)
        return maintainer.wasRegistered ? next : min(next, deadline ?? next)
    }
}
