import CBPFShim

/// Applying a configuration to the pool as it is found.
extension DataPlane {
    typealias Present = (number: UInt64, shape: GenerationShape?)

    /// The configuration's table, with rows of their own for exporters that it would
    /// tear from their sessions.
    static func table(
        _ base: AssignmentTable, over present: Present, _ configuration: PoolConfiguration, _ pins: [Pin],
        replacing predecessor: DataPlane?, in folder: PinFolder,
        _ groups: [GroupPlane], _ sessions: borrowing SessionTable
    ) throws -> AssignmentTable {
        guard let shape = present.shape, shape != base.shape || predecessor?.hasMisplacedSessions == true,
            configuration.onMove != .immediate, base.assignment.hasAffinity
        else { return base }
        let former = try PreviousTable(
            ofNumber: present.number, shape, as: base, predecessor: predecessor?.table, in: folder)
        let kept = exportersToKeep(base, over: former, replacing: predecessor, try liveSessions(of: groups, sessions))
        return kept.isEmpty ? base : AssignmentTable(configuration, pins: pins, keeping: kept)
    }

    /// The one in force, if it fits, or a new one beside it.
    static func generation(
        over present: Present, _ table: AssignmentTable, in folder: PinFolder
    ) throws(PlaneError) -> Generation {
        if present.shape == table.shape {
            return try Generation(adopting: table, number: present.number, in: folder)
        }
        return try Generation(making: table, number: present.number + 1, in: folder)
    }

    /// First all that may fail, while nothing of it is in force: the programs. Then
    /// names of new collectors and the rows: at no moment does a row name a slot that
    /// isn't its collector's.
    func apply(over present: Present, _ predecessor: AssignmentTable?, trustsPrograms: Bool) throws {
        let isNew = generation.number != present.number
        let isRunning = present.number != 0
        if isNew { GroupRemoval.forgetPrograms(ofParity: generation.parity, of: departedGroups, in: folder) }
        for group in groups where isNew || !trustsPrograms || !group.hasProgram(ofParity: generation.parity) {
            try group.load(generation, poolMaps: poolMaps)
        }
        let former = try isNew ? previousTable(over: present, predecessor) : nil
        let before = try availability()
        let live = former != nil && follows ? rowsAndPlaces(of: try liveSessions(), before) : []
        settings.setHold(configuration.restartHold)
        settings.sampling = Sampling(interval: samplingInterval)
        try markDepartures()
        try nameSlots(firstComers, isRunning: isRunning)
        let desired = self.desired(for: firstComers)
        if isNew {
            putInForce(desired, over: former, live, before)
            hasChangedRows = isRunning
        } else {
            hasChangedRows = move(to: desired, before) > 0
        }
        mayHaveMisplacedSessions = isRunning
    }

    /// What follows when the rows are in force; may be repeated. Heirs of a slot come
    /// when no row names it for the collector before.
    func finish() throws(KernelError) {
        // What stays is removed by the next adoption.
        try? removeDepartedGroups()
        try? exporterTracker.takeForgotten { waitForRuns() }
        if mayHaveMisplacedSessions { try rejoinMisplacedSessions() }
        if !isRepaired {
            try finishInterruptedRegistrations()
            isRepaired = true
        }
        let areHeirsDue = !allocation.heirs.isEmpty && !heirsHaveCome
        try release(leavingFreed: areHeirsDue)
        if areHeirsDue {
            let all = WeightedCollector.all(of: configuration, allocation)
            guard all.allSatisfy({ tenants.tenant(of: $0.slot).map(\.name) ?? $0.name == $0.name }) else {
                throw KernelError(operation: "free the slots of departed collectors", errno: KernelError.busy)
            }
            try nameSlots(all, isRunning: true)
            move(to: desired(for: all), try availability())
            heirsHaveCome = true
            try release()
        }
        // In a pool that never had a collector the groups are the kernel's own.
        if configuration.collectorUser != nil || !collectorUsers.isEmpty || wasKept { keepGroups() }
        audit.registered = try registeredCookies(known: audit.registered)
    }

    /// Does what remains of a change that is in force. What the kernel refuses of it
    /// is tried again later, for the change isn't taken back.
    func attemptLater(_ act: String, _ body: () throws(KernelError) -> Void) {
        do {
            try attempt(act, body)
        } catch {
            interruption = error
        }
    }

    private func previousTable(over present: Present, _ predecessor: AssignmentTable?) throws(PlaneError)
        -> PreviousTable?
    {
        guard let shape = present.shape else { return nil }
        return try PreviousTable(ofNumber: present.number, shape, as: table, predecessor: predecessor, in: folder)
    }

    private var firstComers: [WeightedCollector] {
        WeightedCollector.all(of: configuration, allocation).filter { !allocation.heirs.contains($0.name) }
    }

    /// The new generation: its rows are written, then it is in force by one store.
    ///
    /// - Parameter live: sessions that there were a moment ago, where rows follow them.
    private func putInForce(
        _ desired: [BucketRow], over former: PreviousTable?, _ live: [(row: Int, place: Slot)],
        _ before: SlotAvailability
    ) {
        let closed = closedSlots()
        let after = before.closing(closed)
        var moves = RowMoves()
        for (index, row) in desired.enumerated() {
            moves.add(index, from: former?.row(at: index), to: row, before, after, follows: follows)
        }
        for (index, slot) in elsewhere(live, after, than: { moves.writes[$0] ?? desired[$0] }) {
            moves.hold(index, at: slot, desired[index])
        }
        waiting = moves.waiting
        // Also ends the writing that an agent before was killed in, of rows that are in
        // force until then.
        settings.writingRows {
            generation.write(desired.enumerated().lazy.map { ($0.offset, moves.writes[$0.offset] ?? $0.element) })
            settings[shapeOf: generation.parity] = table.shape
            settings.generation = generation.number
        }
        slots.close(closed)
    }

    /// In a pool that runs, exporters don't wait for a collector that is new: until
    /// it registers, they stay with who had them before.
    private func nameSlots(_ candidates: [WeightedCollector], isRunning: Bool) throws(KernelError) {
        for candidate in candidates where tenants.tenant(of: candidate.slot)?.name != candidate.name {
            if isRunning { slots.markAbandoned(candidate.slot) }
            notedLosses[candidate.slot] = nil
            // Before the name: an agent that is killed in between leaves it to the next one.
            for group in groups { try group.beginCounts(of: candidate.slot) }
            try tenants.set(Tenant(name: candidate.name), at: candidate.slot)
        }
    }

    /// Slots whose names left the configuration are to get empty; one whose name is
    /// back is a collector's like any other.
    private func markDepartures() throws(KernelError) {
        for slot in allocation.freed {
            guard var tenant = tenants.tenant(of: slot) else { continue }
            tenant.drain = .departed
            try tenants.set(tenant, at: slot)
        }
        // Not those that have an heir.
        for slot in Set(allocation.slotOfName.values).subtracting(allocation.freed) {
            guard var tenant = tenants.tenant(of: slot), tenant.drain == .departed else { continue }
            tenant.drain = nil
            try tenants.set(tenant, at: slot)
        }
    }

    private func removeDepartedGroups() throws {
        // First the bits: a group that comes gets a number that is free.
        let numbers = groups.reduce(0) { $0 | UInt64(1) << UInt64($1.number) }
        for slot in tenants.all().keys where slots.groups(of: slot) & ~numbers != 0 {
            slots.setGroups(of: slot, slots.groups(of: slot) & numbers)
        }
        try registry.keepOnly(Set(groups.map(\.number)))
        try GroupRemoval.remove(departedGroups, in: folder)
    }
}
