import CBPFShim

extension DataPlane {
    /// What a registration or its undoing changed.
    public struct Change: Equatable, Sendable, Codable {
        /// False: everything was so already.
        public let changed: Bool
        public let slot: UInt16
        /// Names of the groups that the collector has a socket in.
        public let groups: [String]
        /// Rows that stay elsewhere until their exporters' sessions there end.
        public var waitingRows: Int?
        /// Whose sockets were in the slot, if they were taken over.
        public var predecessor: Predecessor?
    }

    /// A process that has lost its slot to another, and has what it got until then.
    public struct Predecessor: Equatable, Sendable, Codable {
        /// If it is known.
        public var process: ProcessIdentity?
        /// SO_COOKIE of its sockets, and of the sessions that it had then.
        public var cookies: [UInt64]
    }

    /// Puts a collector's sockets into its slot: all of them, or none.
    ///
    /// In this order, so that a run at any moment, and an agent that is killed at
    /// any moment, leaves a working pool: rows that would come over stay where
    /// they are, the sockets of all groups, the program of all groups, the slot's
    /// mark; then rows whose exporters have no session elsewhere come.
    ///
    /// - Parameters:
    ///   - accepted: connections that the collector has already.
    ///   - replacing: the sockets of another live process may be taken out.
    public func register(
        _ collector: String, _ sockets: [OfferedSocket], accepted: [SocketFacts] = [], owner: ProcessIdentity?,
        replacing: Bool = false
    ) throws(RegistrationPlan.Refusal) -> Change {
        let act = "register \(collector)"
        do {
            let slot = try checked(collector, act: act)
            if let own = sockets.first(where: { offer in
                groups.contains { $0.placeholder?.cookie == offer.offer.socket.cookie }
            }) {
                throw Failure(
                    .unfitSocket, act: act,
                    cause:
                        "\(own.offer.label) (\(own.offer.socket.endpoint)) is the agent's own, which keeps the group",
                    remedy: "name the collector's pid, not the agent's")
            }
            let tenant = tenants.tenant(of: slot)
            let occupancy = try occupancy(of: slot, tenant: tenant)
            let plan = try RegistrationPlan(
                collector: collector, slot: slot, offers: sockets.map(\.offer),
                groups: configuration.groups, occupancy: occupancy, replacing: replacing)
            let fresh = plan.placements.filter { !$0.isPresent }
            try prove(fresh, sockets, act: act)
            let replaced = try predecessor(in: occupancy, of: slot, fresh, by: owner)
            let before = slots[slot]
            let changed = !fresh.isEmpty || before.downFor != nil || before.registrationNumber == 0
            if changed, before.downFor != nil { try prepare(slot) }
            // An owner that isn't known is better than the one before it.
            let newOwner = owner ?? (fresh.isEmpty ? tenant?.owner : nil)
            try tenants.set(
                Tenant(
                    name: collector, owner: newOwner, user: sockets.first?.offer.socket.user ?? tenant?.user,
                    drain: tenant?.drain),
                at: slot)
            if replaced != nil { noteDrops(of: slot) }
            do {
                try place(fresh, sockets, slot: slot, act: act)
                do {
                    for placement in plan.placements {
                        try groups[placement.group].attach(through: sockets[placement.socket].descriptor)
                    }
                } catch {
                    for placement in fresh { try? groups[placement.group].sockets.clear(slot) }
                    throw error
                }
            } catch {
                try tenants.set(tenant, at: slot)
                throw error
            }
            for placement in plan.placements {
                let group = groups[placement.group]
                setMember(slot, of: group)
                audit.registered[group.group, slot] = sockets[placement.socket].offer.socket.cookie
            }
            orphans.remove(Set(sockets.map(\.offer.socket.cookie)))
            if replaced != nil || changed || !replacing { predecessors[slot] = replaced }
            noteSessions(accepted, of: slot)
            if changed { slots.markFilled(slot) }
            revision += 1
            keepGroups()
            // It is registered: nothing is taken back any more.
            attemptLater(act) { () throws(KernelError) in
                if let replaced { try noteOrphans(Set(replaced.cookies)) }
                try release()
            }
            // From here on nothing is on its way to the sockets that were there.
            if replaced != nil { waitForRuns() }
            return Change(
                changed: changed, slot: slot.index, groups: filledGroups(in: occupancy, of: slot, and: plan),
                waitingRows: waiting.values.count { $0.owner == slot },
                predecessor: replacing ? predecessors[slot] : nil)
        } catch let refusal as RegistrationPlan.Refusal {
            throw refusal
        } catch let failure as Failure {
            throw .refused(failure)
        } catch let error as KernelError {
            throw .refused(PlaneError.call(error).failure(act: act, pool: configuration.pool))
        } catch {
            fatalError("unreachable: all errors above are typed")
        }
    }

    /// Before a vacant slot is filled: nothing moves by that alone.
    func prepare(_ slot: Slot) throws(KernelError) {
        if case .holding = try state(of: slot) {
            // Its exporters are nowhere else; that must not change until it is filled.
            slots.markDown(slot)
        } else {
            try prepareReturn(of: slot)
        }
    }

    func setMember(_ slot: Slot, of group: GroupPlane) {
        slots.setGroups(of: slot, slots.groups(of: slot) | 1 << UInt64(group.number))
    }

    private func predecessor(
        in occupancy: RegistrationPlan.Occupancy, of slot: Slot, _ fresh: [RegistrationPlan.Placement],
        by owner: ProcessIdentity?
    ) throws(KernelError) -> Predecessor? {
        let cookies = fresh.compactMap { occupancy.cookies[$0.group][slot] }
        if cookies.isEmpty { return nil }
        let sessions = try liveSessions().filter { $0.slot == slot }.map(\.connection.cookie)
        // With other sockets of its own, a process is nobody's predecessor.
        let process = occupancy.owner == owner ? nil : occupancy.owner
        return Predecessor(process: process, cookies: cookies + sessions)
    }

    /// The collector's slot.
    ///
    /// - Throws: `.conflict` for a name that the configuration doesn't have.
    @discardableResult
    public func checked(_ collector: String, act: String) throws(Failure) -> Slot {
        if let slot = allocation[collector] { return slot }
        throw .unknownCollector(pool: configuration.pool, names: configuration.collectors.map(\.name), act: act)
    }

    /// Before anything is written: sockets of another process that are taken out
    /// can't be put back.
    private func prove(
        _ placements: [RegistrationPlan.Placement], _ sockets: [OfferedSocket], act: String
    ) throws(RegistrationPlan.Refusal) {
        for socket in placements.lazy.map({ sockets[$0.socket] }) {
            do {
                try SocketArray.prove(socket.descriptor)
            } catch {
                throw .refused(meaning(of: error, for: socket.offer, act: act))
            }
        }
    }

    /// Writes the sockets; takes back what it wrote if one is refused.
    private func place(
        _ placements: [RegistrationPlan.Placement], _ sockets: [OfferedSocket], slot: Slot, act: String
    ) throws(RegistrationPlan.Refusal) {
        for (index, placement) in placements.enumerated() {
            let socket = sockets[placement.socket]
            do {
                try groups[placement.group].sockets.place(socket.descriptor, at: slot)
            } catch {
                for written in placements[..<index] { try? groups[written.group].sockets.clear(slot) }
                throw .refused(meaning(of: error, for: socket.offer, act: act))
            }
        }
    }

    /// What the kernel means when it doesn't take a socket that looked fit.
    private func meaning(of error: KernelError, for offer: RegistrationPlan.Offer, act: String) -> Failure {
        let name = "\(offer.label) (\(offer.socket.endpoint))"
        switch error.errno {
        case KernelError.busy:
            return Failure(
                .conflict, act: act, cause: "\(name) stands in a sockarray already, of another pool or program",
                errno: error.errno,
                remedy: "unregister it there first, or unload that pool if no agent is to run it any more")
        case KernelError.invalid:
            return Failure(
                .unfitSocket, act: act, cause: "\(name) is no member of a reuseport group", errno: error.errno,
                remedy: "set SO_REUSEPORT before bind, not after it, and listen before it is registered")
        default:
            return PlaneError.call(error).failure(act: act, pool: configuration.pool)
        }
    }

    private func occupancy(of slot: Slot, tenant: Tenant?) throws(KernelError) -> RegistrationPlan.Occupancy {
        // A slot has its heir's name when the one before has left it.
        let departed = Set(allocation.freed.filter { tenants.tenant(of: $0)?.drain == .departed })
        var names = allocation.nameOfSlot
        for slot in departed { names[slot] = tenants.tenant(of: slot)?.name }
        var cookies: [[Slot: UInt64]] = []
        for group in groups {
            var held: [Slot: UInt64] = [:]
            for slot in names.keys { held[slot] = try group.sockets.cookie(at: slot) }
            cookies.append(held)
        }
        return RegistrationPlan.Occupancy(
            cookies: cookies, ownerIsGone: tenant?.owner.map { !$0.isAlive } ?? false, names: names,
            departed: departed, owner: tenant?.owner)
    }

    private func filledGroups(
        in occupancy: RegistrationPlan.Occupancy, of slot: Slot, and plan: RegistrationPlan
    ) -> [String] {
        let placed = Set(plan.placements.map(\.group))
        return groups.indices.filter { placed.contains($0) || occupancy.cookies[$0][slot] != nil }
            .map { groups[$0].group.name }
    }
}
