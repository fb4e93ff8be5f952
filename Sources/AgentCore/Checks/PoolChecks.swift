import Glibc
import PoolModel
import PoolReport
import SockArrayCore

/// The pool's checks beside those of the kernel: the state file, other pools with the same groups, and
/// sockets that a new pool finds.
package struct PoolChecks {
    package let items: [CheckList.Item]
    package let exitCode: Int32

    /// - Parameters:
    ///   - path: the path of the configuration.
    ///   - agentAnswers: the pool's agent runs and answers at the configuration's control socket.
    ///   - callsBPF: false: bpf(2) is not called, because a seccomp filter may kill the process.
    package init(_ configuration: PoolConfiguration, path: String, agentAnswers: Bool, callsBPF: Bool) {
        let file = StateFile(configuration)
        var failure: Failure?
        var state = CheckList.Item(check: "state_file \(file.path)", ok: true, detail: "it can be written")
        do throws(Failure) {
            try file.check(besides: path)
            if let refusal = file.writeRefusal() {
                state.detail = "plan --rebalance --apply can't store its pins: \(refusal.problem)"
                state.remedy = refusal.remedy
            }
        } catch {
            failure = error
            state = CheckList.Item(check: state.check, ok: false, detail: error.problem, remedy: error.remedy)
        }
        let survey = StartSurvey(configuration, callsBPF: callsBPF)
        let otherAgent =
            agentAnswers ? nil : StartSurvey.agent(of: configuration).map { Self.item(ofAgent: $0, configuration) }
        items =
            [otherAgent, state].compactMap(\.self) + survey.rivals.compactMap(Self.item)
            + survey.unclaimed.map { Self.item($0, configuration) }
        let isRefused = otherAgent != nil || survey.rivals.contains(where: \.isHere)
        let conflict = isRefused ? Failure.Kind.conflict.rawValue : 0
        exitCode = CheckList.exitCode(failure?.exitCode ?? 0, and: conflict)
    }

    /// For another agent of the pool, because of which `run` fails.
    private static func item(ofAgent pid: Int32, _ configuration: PoolConfiguration) -> CheckList.Item {
        CheckList.Item(
            check: "agent of pool \(configuration.pool)", ok: false,
            detail: "process \(pid) already runs this pool, and did not answer check at control_socket "
                + "\(configuration.controlSocket.path): it listens elsewhere, it hangs, or this user may not connect to it",
            remedy: "stop process \(pid) before you start another agent (the collectors continue), or use the "
                + "configuration of that agent")
    }

    /// Nil: the other pool is in another network namespace.
    private static func item(_ rival: RivalPool) -> CheckList.Item? {
        rival.problem.map {
            CheckList.Item(
                check: "other pools of group \(rival.group.name)", ok: !rival.isHere, detail: $0, remedy: rival.remedy)
        }
    }

    private static func item(_ unclaimed: UnclaimedSockets, _ configuration: PoolConfiguration) -> CheckList.Item {
        CheckList.Item(
            check: "sockets of group \(unclaimed.group.name)", ok: true, detail: unclaimed.problem,
            remedy: configuration.remedyForUnclaimedSockets)
    }
}
