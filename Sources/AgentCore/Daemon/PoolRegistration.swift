import PoolModel
import SockArrayCore

/// Registering a process with all that it has in the pool's groups.
extension RunningPool {
    /// - Parameters:
    ///   - owner: the process's identity, read through its pidfd.
    ///   - isRecognised: nobody has named it: what it has inherited is not its own.
    ///   - replacing: it takes the slot over from a living one.
    /// - Throws: `.incomplete`: it has not bound all of the groups.
    func register(
        _ collector: String, _ process: borrowing OtherProcess, owner: ProcessIdentity, isRecognised: Bool = false,
        replacing: Bool = false
    ) throws(RegistrationPlan.Refusal) -> RegistrationChange {
        let act = "register \(collector)"
        let groups = kernel.configuration.groups
        let sockets: ProcessSockets
        do {
            try kernel.checked(collector, act: act)
            sockets = try CollectorProcess.sockets(of: process, groups, act: act)
        } catch {
            throw .refused(error)
        }
        let members = sockets.borrowed.filter { !(isRecognised && kernel.isOrphan($0.offer.socket)) }
        let missing = groups.filter { group in !members.contains { group.isEndpoint(of: $0.offer.socket) } }
        if let failure = CollectorProcess.listensByMPTCP(owner.pid, sockets.others, missing, act: act) {
            throw .refused(failure)
        }
        guard !members.isEmpty else {
            throw .incomplete(
                CollectorProcess.hasNoMember(
                    owner.pid, named: ProcessFacts.name(of: owner.pid), sockets.all, groups, act: act))
        }
        do throws(RegistrationPlan.Refusal) {
            return try kernel.register(
                collector, members, accepted: sockets.others.filter(\.isConnected), owner: owner,
                keeper: { SocketOwner.keeper(of: members, above: owner.pid, besides: [owner.pid]) },
                replacing: replacing)
        } catch {
            throw error.telling(whatItHas: sockets.all)
        }
    }
}
