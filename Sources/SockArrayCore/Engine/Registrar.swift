import PoolModel

/// Puts collectors' sockets into their slots, and takes them out.
final class Registrar {
    private let pool: ActivePool
    private let sessions: SessionIndex
    private let sockets: SlotSockets
    private let prover: SelectionProver
    private let memberships: MulticastMemberships
    private let rows: RowScheduler
    private let releaser: RowReleaser
    private let aside: SetAsideSlots
    /// Processes that lost their slot to the present collector, by slot.
    private(set) var predecessors: [Slot: RegistrationChange.Predecessor] = [:]
    private var holders = SocketHolders()
    /// The registrations that a killed agent left half done are completed.
    private var isRepaired = false

    init(
        _ pool: ActivePool, _ sessions: SessionIndex, _ sockets: SlotSockets, _ prover: SelectionProver,
        _ memberships: MulticastMemberships, _ rows: RowScheduler, _ releaser: RowReleaser, _ aside: SetAsideSlots
    ) {
        (self.pool, self.sessions, self.sockets, self.prover) = (pool, sessions, sockets, prover)
        (self.memberships, self.rows, self.releaser, self.aside) = (memberships, rows, releaser, aside)
    }

    private var deployment: Deployment { pool.deployment }
    private var slots: SlotTable { pool.maps.slots }

    /// Puts a collector's sockets into its slot: all of them, or none.
    ///
    /// The order lets a run at any moment, and an agent that is killed at any moment, find a working
    /// pool: rows that would come to the slot wait where they are; the sockets of all groups; the
    /// program of all groups; the slot's mark; then the rows whose exporters have no session
    /// elsewhere come.
    ///
    /// - Parameters:
    ///   - accepted: connections that the collector has already.
    ///   - keeper: finds the process that keeps the sockets when the owner ends.
    ///   - replacing: the sockets of another live process may be taken out.
    func register(
        _ collector: String, at slot: Slot, _ offered: [OfferedSocket], accepted: [SocketFacts],
        owner: ProcessIdentity?, keeper: () -> ProcessIdentity?, replacing: Bool, act: String
    ) throws(RegistrationPlan.Refusal) -> RegistrationChange {
        try refuseOwnSockets(among: offered, act: act)
        do throws(RegistrationRefusal) {
            let tenant = pool.maps.tenants.tenant(of: slot)
            let occupancy = try RegistrationRefusal.wrap { () throws(KernelError) in
                try deployment.occupancy(of: slot, tenant: tenant, Set(offered.map(\.offer.socket.cookie)))
            }
            let plan: RegistrationPlan
            do throws(RegistrationPlan.Refusal) {
                plan = try RegistrationPlan(
                    collector: collector, slot: slot, offers: offered.map(\.offer),
                    groups: deployment.configuration.groups, occupancy: occupancy, process: owner,
                    replacing: replacing, workers: deployment.workers(of: slot))
            } catch { throw .plan(error) }
            return try carryOut(
                plan, collector, at: slot, offered, accepted: accepted, owner: owner, keeper: keeper,
                replacing: replacing, tenant, occupancy, act: act)
        } catch {
            throw error.refusal(act: act, deployment.configuration, &holders)
        }
    }

    private func refuseOwnSockets(among offered: [OfferedSocket], act: String) throws(RegistrationPlan.Refusal) {
        let own = Set(deployment.groups.compactMap(\.placeholder?.cookie))
        guard let socket = offered.first(where: { own.contains($0.offer.socket.cookie) }) else { return }
        throw .refused(
            Failure(
                .unfitSocket, act: act,
                cause: "\(socket.offer.label) (\(socket.offer.socket.endpoint)) is the agent's own socket, which "
                    + "keeps the group",
                remedy: "name the collector's pid, not the agent's"))
    }

    private func carryOut(
        _ plan: RegistrationPlan, _ collector: String, at slot: Slot, _ offered: [OfferedSocket],
        accepted: [SocketFacts], owner: ProcessIdentity?, keeper: () -> ProcessIdentity?, replacing: Bool,
        _ tenant: Tenant?, _ occupancy: RegistrationPlan.Occupancy, act: String
    ) throws(RegistrationRefusal) -> RegistrationChange {
        let fresh = plan.freshPlacements
        // Before anything is written: a socket of another process that is taken out can't be put back.
        if fresh.isEmpty, aside.contains(slot), owner == nil || owner == tenant?.owner {
            return RegistrationChange(
                changed: false, slot: slot.index, groups: deployment.groups.map(\.group.name))
        }
        let placing = SocketPlacing(
            plan: plan, offered: offered, slot: slot, occupancy: occupancy, groups: deployment.groups, slots: slots,
            prover: prover)
        let unproven = try placing.prove()
        // A registration that changes nothing would restart the hold, again and again.
        if fresh.isEmpty, !unproven.isEmpty, slots[slot].downFor != nil,
            !prover.mayFill(vacant: Set(offered.map(\.offer.socket.cookie)))
        {
            throw .plan(.refused(.notSelected(act: act)))
        }
        let replaced: RegistrationChange.Predecessor?
        let (changed, isNews, isSameProcess): (Bool, Bool, Bool)
        let clock = slots.holdClock(of: slot)
        do throws(KernelError) {
            replaced = try predecessor(in: occupancy, of: slot, plan.removals, by: owner)
            // After the sessions were listed, which takes its time: a run may mark the slot as down.
            let before = slots[slot]
            let isVacant = before.downFor != nil
            changed = !fresh.isEmpty || isVacant || before.registrationNumber == 0
            if changed, isVacant { try prepare(slot) }
            var present = Tenant(
                // An unknown owner is better than the one before it.
                name: collector, owner: owner ?? (fresh.isEmpty ? tenant?.owner : nil),
                keeper: fresh.isEmpty && owner == tenant?.owner ? tenant?.keeper : keeper(),
                user: offered.first?.offer.socket.user ?? tenant?.user, drain: tenant?.drain)
            // A further socket of the same process replaces nobody.
            isSameProcess = owner != nil && owner == tenant?.owner
            present.former = !changed || isSameProcess && replaced == nil ? tenant?.former : replaced?.process
            if !changed { present.provenRegistration = tenant?.provenRegistration ?? 0 }
            isNews = changed || present != tenant || plan.placements.contains(where: \.isMove)
            try pool.maps.tenants.set(present, at: slot)
        } catch {
            slots.setHoldClock(clock, of: slot)
            throw .call(error)
        }
        if replaced != nil { sockets.countDrops(of: slot) }
        do throws(RegistrationRefusal) {
            try placing.carryOut(unproven)
        } catch {
            slots.setHoldClock(clock, of: slot)
            do { try pool.maps.tenants.set(tenant, at: slot) } catch { throw .call(error) }
            throw error
        }
        slots.setChoice(deployment.workers(of: slot), of: slot)
        memberships.look(at: offered)
        let placed = Set(plan.placements.map(\.group))
        do throws(KernelError) {
            for group in placed {
                let present = try deployment.sockets(of: slot, in: deployment.groups[group])
                sockets.noteRegistered(
                    Dictionary(uniqueKeysWithValues: present), in: deployment.groups[group], at: slot)
            }
        } catch { throw .call(error) }
        pool.maps.orphans.remove(Set(offered.map(\.offer.socket.cookie)))
        if replaced != nil || changed && !isSameProcess { predecessors[slot] = replaced }
        sessions.note(accepted, of: slot)
        if changed { slots.markFilled(slot) }
        pool.attemptLater(act) { () throws(KernelError) in try prover.settle(slot) }
        if isNews { pool.noteChange() }
        deployment.keepGroups()
        // It is registered: nothing is taken back any more.
        pool.attemptLater(act) { () throws(KernelError) in
            if let replaced { try sockets.noteOrphans(Set(replaced.cookies)) }
            try releaser.release()
        }
        // From here on nothing is on its way to the sockets that were there.
        if replaced != nil { waitForRuns() }
        let filled = deployment.groups.indices.filter { group in
            placed.contains(group) || occupancy.cookies[group].keys.contains { $0.slot == slot }
        }
        return RegistrationChange(
            changed: changed, slot: slot.index, groups: filled.map { deployment.groups[$0].group.name },
            waitingRows: rows.rowsComing(to: slot), predecessor: replacing ? predecessors[slot] : nil)
    }

    /// Before a vacant slot is filled, so that this alone moves no exporter.
    private func prepare(_ slot: Slot) throws(KernelError) {
        if case .holding = try deployment.state(of: slot) {
            // Its exporters are nowhere else. The hold starts anew, so that it does not end before the
            // slot is filled.
            slots.markDown(slot)
        } else {
            try rows.prepareReturn(of: slot)
        }
    }

    private func predecessor(
        in occupancy: RegistrationPlan.Occupancy, of slot: Slot, _ removals: [RegistrationPlan.Removal],
        by owner: ProcessIdentity?
    ) throws(KernelError) -> RegistrationChange.Predecessor? {
        let cookies = removals.map(\.cookie)
        if cookies.isEmpty { return nil }
        let sessions = try sessions.live().filter { $0.slot == slot }.map(\.connection.cookie)
        // A process that replaces sockets of its own is not its own predecessor.
        let process = occupancy.owner == owner ? nil : occupancy.owner
        return RegistrationChange.Predecessor(process: process, cookies: cookies + sessions)
    }

    // MARK: - Undoing a registration

    /// Takes a collector's sockets out. Its exporters fail over at once: there is no restart hold.
    func unregister(at slot: Slot, act: String) throws(KernelError) -> RegistrationChange {
        let sockets = try deployment.sockets(of: slot)
        let filled = deployment.groups.filter { group in sockets.contains { $0.group === group } }.map(\.group.name)
        var changed = !filled.isEmpty
        if case .holding = try deployment.state(of: slot) { changed = true }
        if slots[slot].registrationNumber != 0, var tenant = pool.maps.tenants.tenant(of: slot) {
            // First of all: when this agent is killed from here on, the next one completes it.
            tenant.isDismissed = true
            try pool.maps.tenants.set(tenant, at: slot)
        }
        try dismiss(slot)
        pool.noteChange()
        pool.attemptLater(act) { () throws(KernelError) in try releaser.release() }
        return RegistrationChange(changed: changed, slot: slot.index, groups: filled)
    }

    private func dismiss(_ slot: Slot) throws(KernelError) {
        let hadCollector = slots[slot].registrationNumber != 0
        if hadCollector { slots.markAbandoned(slot) }
        try sockets.noteOrphans(of: slot)
        try sockets.takeOut(slot)
        let groups = slots.groups(of: slot)
        slots.setGroups(of: slot, 0)
        guard hadCollector else { return }
        // A run that saw the slot whole and then its socket gone has started the hold.
        waitForRuns()
        slots.markAbandoned(slot)
        // No run reads them of an abandoned slot. They tell the next agent that the groups are the pool's.
        slots.setGroups(of: slot, groups)
    }

    /// Completes what a killed agent left half done. Killed between the sockets of a registration and
    /// its mark, it left a whole collector that looks vacant, or a group without its program; whoever
    /// registered saw the call fail, and repeats it. The owner's sockets are used as far as it lets the
    /// agent borrow them. A collector that was being unregistered is taken out.
    func completeInterrupted() throws(KernelError) {
        guard !isRepaired else { return }
        for (slot, tenant) in pool.maps.tenants.all() {
            for group in deployment.groups {
                slots.setSpan(slots.span(of: slot, in: group.number), of: slot, in: group.number)
            }
            try clearBeyondSpan(of: slot)
            if tenant.isDismissed {
                try dismiss(slot)
            } else if tenant.isSetAside {
                slots.markAbandoned(slot)
            } else if let owner = tenant.owner, owner.isAlive {
                try complete(slot, of: owner)
            }
        }
        isRepaired = true
    }

    /// Sockets that were leaving the slot.
    private func clearBeyondSpan(of slot: Slot) throws(KernelError) {
        for group in deployment.groups {
            for worker in slots.span(of: slot, in: group.number)..<SocketEntry.workerLimit {
                try group.sockets.clear(SocketEntry(slot, worker: worker))
            }
        }
    }

    private func complete(_ slot: Slot, of owner: ProcessIdentity) throws(KernelError) {
        let present = try deployment.sockets(of: slot)
        let cookies = Set(present.map(\.cookie))
        guard let process = try? OtherProcess(pid: owner.pid),
            let borrowed = try? process.sockets(borrowing: { cookies.contains($0.cookie) })
        else { return }
        memberships.look(at: borrowed.borrowed)
        for socket in borrowed.borrowed {
            guard let group = deployment.groups.first(where: { $0.group.isEndpoint(of: socket.offer.socket) })
            else { continue }
            sockets.noteMember(slot, of: group)
            try group.attach(through: socket.descriptor)
        }
        let seen = slots[slot]
        guard Set(present.map(\.group.number)).count == deployment.groups.count,
            seen.downFor != nil || seen.registrationNumber == 0
        else { return }
        if seen.downFor != nil { try prepare(slot) }
        slots.markFilled(slot)
    }
}
