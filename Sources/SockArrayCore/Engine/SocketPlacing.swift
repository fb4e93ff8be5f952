import CBPFShim
import PoolModel

/// Puts the offered sockets of one registration into the slot, and shows that the program selects them. Until all
/// of them are accepted, nothing is changed: a group without the program keeps its traffic where it is.
struct SocketPlacing {
    let plan: RegistrationPlan
    let offered: [OfferedSocket]
    let slot: Slot
    let occupancy: RegistrationPlan.Occupancy
    let groups: [PoolGroup]
    let prover: SelectionProver

    /// Tries what the kernel takes, and asks the programs that are attached already.
    ///
    /// - Returns: the placements without an answer.
    func prove() throws(RegistrationRefusal) -> [RegistrationPlan.Placement] {
        for placement in plan.freshPlacements {
            let socket = offered[placement.socket]
            do throws(KernelError) { try prover.tryPlacing(socket, in: groups[placement.group]) } catch {
                throw .socket(error, socket.offer)
            }
        }
        var unproven: [RegistrationPlan.Placement] = []
        for placement in plan.placements where try !isSelected(placement, isPlaced: false) {
            unproven.append(placement)
        }
        return unproven
    }

    /// Writes the sockets, attaches the program, and asks it for the sockets that aren't proven. Takes back what it
    /// wrote when one is refused.
    func carryOut(_ unproven: [RegistrationPlan.Placement]) throws(RegistrationRefusal) {
        let fresh = plan.freshPlacements
        for (index, placement) in fresh.enumerated() {
            let socket = offered[placement.socket]
            do throws(KernelError) { try groups[placement.group].sockets.place(socket.descriptor, at: slot) } catch {
                takeBack(fresh[..<index], joined: [])
                throw .socket(error, socket.offer)
            }
        }
        var joined: [RegistrationPlan.Placement] = []
        do throws(RegistrationRefusal) {
            for placement in plan.placements where try attach(placement) { joined.append(placement) }
            for placement in unproven where !placement.isPresent { _ = try isSelected(placement, isPlaced: true) }
        } catch {
            takeBack(fresh, joined: joined)
            throw error
        }
    }

    /// Refuses a socket that the program can't select. Without an answer of the program, the collector is registered,
    /// and stays unverified until an audit has one.
    ///
    /// - Parameter isPlaced: the slot has the socket, and the group has the program.
    private func isSelected(
        _ placement: RegistrationPlan.Placement, isPlaced: Bool
    ) throws(RegistrationRefusal) -> Bool {
        let (group, members) = (groups[placement.group], occupancy.sockets[placement.group])
        let socket = offered[placement.socket]
        let errno = try RegistrationRefusal.wrap { () throws(KernelError) in
            placement.isPresent || isPlaced
                ? try prover.ask(for: socket.offer.socket.cookie, at: slot, in: group, among: members)
                : try prover.ask(for: socket, in: group, among: members)
        }
        if let errno, errno != 0 { throw .unselectable(errno: errno, socket.offer) }
        return errno == 0
    }

    /// - Returns: whether the group has the program by this registration.
    private func attach(_ placement: RegistrationPlan.Placement) throws(RegistrationRefusal) -> Bool {
        let (group, socket) = (groups[placement.group], offered[placement.socket])
        return try RegistrationRefusal.wrap { () throws(KernelError) in
            let hadProgram = try prover.hasProgram(
                group, ofUser: socket.offer.socket.user, occupancy.sockets[placement.group], besides: slot)
            try group.attach(through: socket.descriptor)
            return !placement.isPresent && !hadProgram
        }
    }

    private func takeBack(
        _ placements: some Sequence<RegistrationPlan.Placement>, joined: [RegistrationPlan.Placement]
    ) {
        for placement in placements { try? groups[placement.group].sockets.clear(slot) }
        for placement in joined { rpa_detach_reuseport(offered[placement.socket].number) }
    }
}
