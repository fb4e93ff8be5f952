import Glibc
import PoolModel
import PoolReport
import SockArrayCore

/// The pool's checks that don't concern the kernel: the state file, and groups that other pools also have.
package struct PoolChecks {
    package let items: [CheckList.Item]
    package let exitCode: Int32

    /// - Parameter path: the path of the configuration.
    package init(_ configuration: PoolConfiguration, path: String) {
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
        items = [state] + Self.sharedGroups(configuration)
        exitCode = failure?.exitCode ?? 0
    }

    /// Groups that other pools have, too. This is no error, because the pins don't show their network
    /// namespace, and several namespaces may share the folder.
    private static func sharedGroups(_ configuration: PoolConfiguration) -> [CheckList.Item] {
        let others = PinnedPools.groups(in: configuration.bpffs).filter { $0.pool != configuration.pool }
        return configuration.groups.compactMap { group in
            let pools = others.filter { $0.groups.contains(PinnedPools.name(of: group)) }.map(\.pool).sorted()
            guard !pools.isEmpty else { return nil }
            let address = "\(group.transport.rawValue) \(group.address.withPort(group.port))"
            return CheckList.Item(
                check: "group \(group.name) of other pools", ok: true,
                detail: "pool \(pools.joined(separator: ", ")) has \(address), too",
                remedy:
                    "if both run in one network namespace, the agent that starts last takes the traffic; give them "
                    + "different ports, or unload the pool that is no longer in use")
        }
    }
}
