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
    let slots: SlotTable
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
    ///
    /// The slot's span covers all sockets that stay, and a run that comes across an empty entry takes the next one. A run looks at the entries one after the other, and must not look at each of them while it is
    /// empty: of the sockets, one stays where it is until all runs have ended that may have missed the others. The
    /// slot is therefore usable all the time if it was before.
    func carryOut(_ unproven: [RegistrationPlan.Placement]) throws(RegistrationRefusal) {
        let fresh = plan.freshPlacements
        widen()
        for (index, placement) in fresh.enumerated() {
            let socket = offered[placement.socket]
            do throws(KernelError) {
                try groups[placement.group].sockets.place(socket.descriptor, at: placement.entry)
            } catch {
                takeBack(fresh[..<index], joined: [])
                throw .socket(error, socket.offer)
            }
        }
        do throws(KernelError) {
            try move()
            try narrow()
        } catch {
            takeBack(fresh, joined: [])
            throw .call(error)
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
                ? try prover.ask(
                    for: socket.offer.socket.cookie, at: isPlaced ? placement.entry : placement.present!, in: group,
                    among: members)
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

    private func widen() {
        for (group, span) in zip(groups, plan.spans) {
            guard let span, span > slots.span(of: slot, in: group.number) else { continue }
            slots.setSpan(span, of: slot, in: group.number)
        }
    }

    /// Puts sockets that the slot has already into other entries. A socket can be in one entry at a time, and leaves
    /// the old one first: the plan moves none that is the only one.
    private func move() throws(KernelError) {
        for (index, group) in groups.enumerated() {
            let moves = plan.placements.filter { $0.group == index && $0.isMove }
            guard let last = moves.last else { continue }
            let moved = Set(moves.compactMap(\.present))
            let hasAnchor = occupancy.cookies[index].keys.contains { $0.slot == slot && !moved.contains($0) }
            for placement in moves.dropLast() { try move(placement, in: group) }
            if !hasAnchor { waitForRuns() }
            try move(last, in: group)
        }
    }

    private func move(_ placement: RegistrationPlan.Placement, in group: PoolGroup) throws(KernelError) {
        let (socket, old) = (offered[placement.socket], placement.present!)
        // Another socket may have replaced it there just before.
        if try group.sockets.cookie(at: old) == socket.offer.socket.cookie { try group.sockets.clear(old) }
        try group.sockets.place(socket.descriptor, at: placement.entry)
    }

    private func narrow() throws(KernelError) {
        var left: [RegistrationPlan.Removal] = []
        for removal in plan.removals {
            if try groups[removal.group].sockets.cookie(at: removal.entry) == removal.cookie { left.append(removal) }
        }
        // First, so that no run chooses a socket that leaves.
        for (group, span) in zip(groups, plan.spans) {
            if let span, span < slots.span(of: slot, in: group.number) {
                slots.setSpan(span, of: slot, in: group.number)
            }
        }
        if !left.isEmpty { waitForRuns() }
        for removal in left { try groups[removal.group].sockets.clear(removal.entry) }
    }

    private func takeBack(
        _ placements: some Sequence<RegistrationPlan.Placement>, joined: [RegistrationPlan.Placement]
    ) {
        for placement in placements { try? groups[placement.group].sockets.clear(placement.entry) }
        for placement in joined { rpa_detach_reuseport(offered[placement.socket].number) }
    }
}
