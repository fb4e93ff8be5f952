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
    ///   - callsBPF: false: bpf(2) is not called, because a seccomp filter may kill the process.
    package init(_ configuration: PoolConfiguration, path: String, callsBPF: Bool) {
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
        items = [state] + survey.rivals.compactMap(Self.item) + survey.unclaimed.map { Self.item($0, configuration) }
        let conflict = survey.rivals.contains(where: \.isHere) ? Failure.Kind.conflict.rawValue : 0
        exitCode = CheckList.exitCode(failure?.exitCode ?? 0, and: conflict)
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
