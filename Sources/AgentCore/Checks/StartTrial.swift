import CBPFShim
import Glibc
import PoolModel
import SockArrayCore

/// A trial of the agent's start in child processes, so that a memory limit or a seccomp filter that kills
/// the process can be reported.
package struct StartTrial {
    let configuration: PoolConfiguration

    /// A line that the child writes: the start of a step, or its outcome.
    private struct Message: Codable {
        var step: TrialStep
        var failure: Failure?
        var facts: TrialFacts?
    }

    /// Performs the trial. The process must have only one thread (`rpa_trial_start`).
    ///
    /// - Parameter sets: sets of steps; each set runs in a child of its own.
    /// - Throws: an error if no child can be started.
    package static func report(
        of sets: [[TrialStep]], for configuration: PoolConfiguration
    ) throws(Failure) -> TrialReport {
        var report = TrialReport()
        for steps in sets { try StartTrial(configuration: configuration).perform(steps, into: &report) }
        return report
    }

    private func perform(_ steps: [TrialStep], into report: inout TrialReport) throws(Failure) {
        var pipe: Int32 = -1
        let child = rpa_trial_start(&pipe)
        guard child >= 0 else { throw LaunchedCommand.failureToStart(errno: -child, act: "try what run does") }
        if child == 0 { performInChild(steps, reportingTo: pipe) }
        let messages = Self.messages(from: Descriptor(owning: pipe))
        for message in messages {
            if let failure = message.failure { report.note(message.step, .failure(failure)) }
            if let facts = message.facts { report.note(message.step, .success(facts)) }
        }
        let exit = rpa_trial_end(child)
        if exit != 0 { report.note(messages.last?.step ?? steps[0], .failure(failure(ofExit: exit, messages, steps))) }
    }

    private func failure(ofExit exit: Int32, _ messages: [Message], _ steps: [TrialStep]) -> Failure {
        let step = messages.last?.step ?? steps[0]
        let refusal = Refusal.ofKill(
            -exit, while: step.description, .current(callsBPF: false),
            memoryNeed: PoolMemory.need(of: configuration))
        return Failure(
            .privilege, act: "run pool \(configuration.pool)", cause: refusal.cause, remedy: refusal.remedy)
    }

    private func performInChild(_ steps: [TrialStep], reportingTo pipe: Int32) -> Never {
        let trial = PoolTrial(configuration)
        for step in steps {
            Self.write(Message(step: step), to: pipe)
            do throws(Failure) {
                Self.write(Message(step: step, facts: try trial.perform(step)), to: pipe)
            } catch {
                Self.write(Message(step: step, failure: error), to: pipe)
                // The next steps of the set need this one.
                _exit(0)
            }
        }
        _exit(0)
    }

    private static func write(_ message: Message, to pipe: Int32) {
        guard let line = try? JSON.encode(message) + [UInt8(ascii: "\n")] else { _exit(2) }
        // The pipe holds more than all lines together.
        if Glibc.write(pipe, line, line.count) != line.count { _exit(2) }
    }

    private static func messages(from pipe: consuming Descriptor) -> [Message] {
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 4_096)
        while true {
            let length = read(pipe.number, &part, part.count)
            if length < 0, errno == EINTR { continue }
            guard length > 0 else { break }
            bytes += part[..<length]
        }
        return bytes.split(separator: UInt8(ascii: "\n")).compactMap { try? JSON.decode(Message.self, from: Array($0)) }
    }
}

extension PoolConfiguration {
    /// The configuration that `check` tries without `--config`: the groups of the example.
    package static let example = PoolConfiguration(
        pool: "example", collectors: [.init(name: "c1"), .init(name: "c2")],
        groups: [
            ReuseportGroup(name: "ipfix", transport: .udp, address: .v4(0), port: 4_739),
            ReuseportGroup(name: "bmp", transport: .tcp, address: .v4(0), port: 1_790),
        ])
}
