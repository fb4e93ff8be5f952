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
            var waits = [pollfd(fd: command.signals.number, events: Int16(POLLIN), revents: 0)]
            if let answer = maintainer.answer, refusal == nil {
                waits.append(pollfd(fd: answer, events: Int16(POLLIN), revents: 0))
            }
            poll(&waits, UInt(waits.count), milliseconds(from: now))
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

    /// The time to the next deadline, in milliseconds.
    private func milliseconds(from now: ContinuousClock.Instant) -> Int32 {
        var due: [ContinuousClock.Instant] = []
        if let refusal {
            due = [refusal.killTime]
        } else {
            // Check once a second whether the agent's answer has timed out.
            due.append(maintainer.answer == nil ? maintainer.next : now + .seconds(1))
            if let deadline, !maintainer.wasRegistered { due.append(deadline) }
        }
        let pause = (due.min()! - now) / .milliseconds(1)
        return pause <= 0 ? 0 : Int32(min(pause.rounded(.up), 60_000))
    }
}
