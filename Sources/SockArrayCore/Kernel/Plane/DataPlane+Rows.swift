/// Moving rows from collector to collector. RowMoves says what waits, and why.
extension DataPlane {
    /// Rows stay with their exporters' sessions.
    var follows: Bool { configuration.onMove != .immediate && table.assignment.hasAffinity }

    /// What the rows are to be: the table's, without the slots that get nothing new.
    func desired(for candidates: [WeightedCollector]) -> [BucketRow] {
        var closed: Set<Slot> = []
        for candidate in candidates where tenants.tenant(of: candidate.slot)?.drain != nil {
            closed.insert(candidate.slot)
        }
        let rows = table.rows(for: candidates)
        return closed.isEmpty ? rows : rows.map { $0.without(closed) }
    }

    /// Also closes the slots that are to get empty, and opens the others: by that,
    /// too, a collector takes in exporters of others, or doesn't any more.
    ///
    /// - Parameter before: what the slots do now.
    /// - Returns: how many rows were different: neither what they are to be nor waiting for that.
    @discardableResult
    func move(to desired: [BucketRow], _ before: SlotAvailability) -> Int {
        let closed = closedSlots()
        let after = before.closing(closed)
        var moves = RowMoves()
        for (index, row) in desired.enumerated() {
            moves.add(index, from: generation.row(at: index), to: row, before, after, follows: follows)
        }
        waiting = moves.waiting
        let written = write(moves)
        slots.close(closed)
        return written
    }

    /// A collector comes to its slot: what it would take over waits where it is.
    func prepareReturn(of slot: Slot) throws(KernelError) {
        guard follows else { return }
        let availability = try self.availability()
        let after = availability.making(usable: slot)
        var moves = RowMoves()
        for index in 0..<table.rowCount {
            moves.addKept(index, present: generation.row(at: index), desired: waiting[index], availability, after)
        }
        waiting.merge(moves.waiting) { $1 }
        write(moves)
    }

    /// - Returns: how many rows were different.
    @discardableResult
    func write(_ moves: RowMoves) -> Int {
        guard settings.isWritingRows || !moves.writes.isEmpty else { return 0 }
        return settings.writingRows { generation.write(moves.writes.lazy.map { ($0.key, $0.value) }) }
    }

    /// Frees the slots of departed collectors that no row names.
    func freeEmptied() throws(KernelError) {
        var empty = closedSlots(departing: true)
        if empty.isEmpty { return }
        for index in waiting.keys {
            if let owner = generation.row(at: index).owner { empty.remove(owner) }
        }
        guard !empty.isEmpty else { return }
        waitForRuns()
        try exporterTracker.forget(empty)
        for slot in empty {
            try clearSockets(of: slot)
            notedLosses[slot] = nil
            slots.clear(slot)
            try tenants.set(nil, at: slot)
        }
    }

    /// Slots that are to get empty.
    func closedSlots(departing: Bool = false) -> Set<Slot> {
        var closed: Set<Slot> = []
        for (slot, tenant) in tenants.all() {
            guard let drain = tenant.drain, !departing || drain == .departed else { continue }
            closed.insert(slot)
        }
        return closed
    }

    /// Of every slot that has a name.
    func availability() throws(KernelError) -> SlotAvailability {
        var availability = SlotAvailability()
        for slot in tenants.all().keys {
            availability.set(
                slot, try state(of: slot), wasFilled: slots[slot].registrationNumber != 0,
                isClosed: slots.isClosed(slot))
        }
        return availability
    }
}
