/// Collectors that are sent away, and what a killed agent left half done.
extension DataPlane {
    /// Takes a collector's sockets out. Its exporters fail over at once: nobody
    /// waits for a collector that was sent away. One that left the configuration may
    /// still be there to be sent away.
    public func unregister(_ collector: String) throws(Failure) -> Change {
        let act = "unregister \(collector)"
        let slot: Slot
        if let departed = departedSlot(of: collector) {
            slot = departed
        } else {
            slot = try checked(collector, act: act)
        }
        return try attempt(act) { () throws(KernelError) in
            let filled = try sockets(of: slot).map(\.group.group.name)
            var changed = !filled.isEmpty
            if case .holding = try state(of: slot) { changed = true }
            if slots[slot].registrationNumber != 0, var tenant = tenants.tenant(of: slot) {
                // First of all: an agent that is killed from here on has it finished by the next one.
                tenant.isDismissed = true
                try tenants.set(tenant, at: slot)
            }
            try dismiss(slot)
            revision += 1
            attemptLater(act) { () throws(KernelError) in try release() }
            return Change(changed: changed, slot: slot.index, groups: filled)
        }
    }

    private func departedSlot(of collector: String) -> Slot? {
        closedSlots(departing: true).first { tenants.tenant(of: $0)?.name == collector }
    }

    private func dismiss(_ slot: Slot) throws(KernelError) {
        let hadCollector = slots[slot].registrationNumber != 0
        if hadCollector { slots.markAbandoned(slot) }
        try noteOrphans(Set(sockets(of: slot).map(\.cookie)))
        try clearSockets(of: slot)
        slots.setGroups(of: slot, 0)
        guard hadCollector else { return }
        // A run that saw the slot whole and then its socket gone has started the clock.
        waitForRuns()
        slots.markAbandoned(slot)
    }

    /// Somebody has unregistered the collector, and it is the same process still.
    public func isDismissed(_ collector: String, _ owner: ProcessIdentity?, act: String) throws(Failure) -> Bool {
        let slot = try checked(collector, act: act)
        guard let tenant = tenants.tenant(of: slot) else { return false }
        return tenant.isDismissed && tenant.owner == owner
    }

    /// An agent that was killed between the sockets of a registration and its
    /// mark left a whole collector that looks vacant, or a group without its
    /// program: both are put right here, as far as the owner lets us reach its
    /// sockets. Whoever registered sees the call fail, and repeats it. One that was
    /// being unregistered is so.
    func finishInterruptedRegistrations() throws(KernelError) {
        for (slot, tenant) in tenants.all() {
            if tenant.isDismissed {
                try dismiss(slot)
                continue
            }
            guard let owner = tenant.owner, owner.isAlive else { continue }
            let cookies = try self.sockets(of: slot).map(\.cookie)
            guard let process = try? OtherProcess(pid: owner.pid),
                let sockets = try? process.sockets(borrowing: { cookies.contains($0.cookie) })
            else { continue }
            for socket in sockets.borrowed {
                let group = groups.first { $0.group.isEndpoint(of: socket.offer.socket) }
                if let group { setMember(slot, of: group) }
                try group?.attach(through: socket.descriptor)
            }
            let seen = slots[slot]
            guard cookies.count == groups.count, seen.downFor != nil || seen.registrationNumber == 0 else { continue }
            if seen.downFor != nil { try prepare(slot) }
            slots.markFilled(slot)
        }
    }
}
