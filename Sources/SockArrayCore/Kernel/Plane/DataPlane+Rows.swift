import CBPFShim

/// Moving rows from collector to collector. RowMoves says what waits, and why.
extension DataPlane {
    /// Rows stay with their exporters' sessions.
    var follows: Bool { configuration.onMove != .immediate && table.assignment.hasAffinity }

    /// What the rows are to be: the table's, without the slots that get nothing new.
    func desired(for contenders: [Contender]) throws(KernelError) -> [BucketRow] {
        var closed: Set<Slot> = []
        for contender in contenders where tenants.tenant(of: contender.slot)?.drain != nil {
            closed.insert(contender.slot)
        }
        let rows = table.rows(for: contenders)
        return closed.isEmpty ? rows : rows.map { $0.without(closed) }
    }

    /// - Returns: how many rows are not yet, or were not, what they are to be.
    @discardableResult
    func move(to desired: [BucketRow]) throws(KernelError) -> Int {
        let standings = try self.standings()
        var moves = RowMoves()
        for (index, row) in desired.enumerated() {
            moves.add(index, from: generation.row(at: index), to: row, standings, follows: follows)
        }
        // What an agent before had waiting waits on.
        let changed = moves.writes.count + moves.waiting.count { waiting[$0.key] != $0.value }
        waiting = moves.waiting
        write(moves)
        return changed
    }

    /// Lets rows go that wait for nothing any more.
    ///
    /// - Parameters:
    ///   - leavingFreed: those at slots that left the configuration don't wait.
    ///   - settling: waits, some 10 ms, so that it need not when the sessions that there are now end.
    public func release(leavingFreed: Bool = false, settling: Bool = false) throws(KernelError) {
        defer { if waiting.isEmpty { settledSyns = [:] } }
        guard !waiting.isEmpty else { return }
        let standings = try self.standings()
        let closed = try closedSlots()
        var going: [Int: BucketRow] = [:]
        var candidates: [RowCandidate] = []
        for (index, desired) in waiting {
            let word = generation.rows[index]
            switch RowWait(index, present: BucketRow(word: word), desired: desired, standings, closed: closed) {
            case .over: going[index] = desired
            case .sessions(let present):
                if !follows || leavingFreed && allocation.freed.contains(present) {
                    going[index] = desired
                } else {
                    candidates.append(RowCandidate(index: index, word: word, place: present))
                }
            case .owner: break
            }
        }
        let free = try withoutSessions(candidates)
        let settled = free.filter(isSettled)
        move(going, settled)
        let unsettled = settled.count < free.count
        guard unsettled || settling && !candidates.allSatisfy(isSettled) else { return }
        waitForRuns()
        for candidate in candidates { settledSyns[candidate.index] = candidate.syns }
        if unsettled { move([:], try withoutSessions(free.filter { waiting[$0.index] != nil })) }
    }

    /// A row that moves if its exporters have no session where they are.
    private struct RowCandidate {
        let index: Int
        let word: UInt64
        /// Where they are.
        let place: Slot

        var syns: UInt64 { word >> UInt64(RPA_SYN_SHIFT) }
    }

    /// The runs of all SYNs that the word counts have ended: what they begin has begun.
    private func isSettled(_ candidate: RowCandidate) -> Bool { settledSyns[candidate.index] == candidate.syns }

    private func move(_ going: [Int: BucketRow], _ candidates: [RowCandidate]) {
        guard !going.isEmpty || !candidates.isEmpty else { return }
        settings.writingRows {
            generation.write(going.lazy.map { ($0.key, $0.value) })
            for index in going.keys { waiting[index] = nil }
            for candidate in candidates {
                // Not if a SYN has come since the word was read.
                guard let desired = waiting[candidate.index],
                    generation.replace(candidate.index, expected: candidate.word, with: desired)
                else { continue }
                waiting[candidate.index] = nil
            }
        }
    }

    /// The candidates whose exporters have no session there now.
    private func withoutSessions(_ candidates: [RowCandidate]) throws(KernelError) -> [RowCandidate] {
        guard !candidates.isEmpty else { return [] }
        let places = Dictionary(uniqueKeysWithValues: candidates.map { ($0.index, $0.place) })
        var kept: Set<Int> = []
        for session in try liveSessions(ofRows: { places[$0] != nil }) {
            guard let place = places[session.row], session.slot ?? place == place else { continue }
            // Ended by us: the router comes back, to its new collector.
            if configuration.onMove == .reset, end(session.connection) { continue }
            kept.insert(session.row)
        }
        return candidates.filter { !kept.contains($0.index) }
    }

    private func end(_ connection: TCPSession) -> Bool {
        do {
            try connection.destroy()
            audit.resetRefusal = nil
            return true
        } catch {
            // One that has ended by itself is no refusal.
            if error.errno != KernelError.noEntry { audit.resetRefusal = error.errno }
            return false
        }
    }

    /// A collector comes to its slot: what it would take over waits where it is.
    func prepareReturn(of slot: Slot) throws(KernelError) {
        guard follows else { return }
        let standings = try self.standings()
        let after = standings.making(usable: slot)
        var moves = RowMoves()
        for index in 0..<table.rowCount {
            moves.addReturn(
                index, present: generation.row(at: index), desired: waiting[index], of: slot, standings, after)
        }
        waiting.merge(moves.waiting) { $1 }
        write(moves)
    }

    private func write(_ moves: RowMoves) {
        guard settings.isWritingRows || !moves.writes.isEmpty else { return }
        settings.writingRows { _ = generation.write(moves.writes.lazy.map { ($0.key, $0.value) }) }
    }

    /// Frees the slots of departed collectors that no row names.
    func freeEmptied() throws(KernelError) {
        let used = Set(waiting.keys.compactMap { generation.row(at: $0).owner })
        let empty = try closedSlots(departing: true).subtracting(used)
        guard !empty.isEmpty else { return }
        waitForRuns()
        for slot in empty {
            try clearSockets(of: slot)
            for group in groups { try group.retireTraffic(of: slot) }
            notedLosses[slot] = nil
            slots.clear(slot)
            try tenants.set(nil, at: slot)
        }
    }

    /// Slots that are to get empty.
    private func closedSlots(departing: Bool = false) throws(KernelError) -> Set<Slot> {
        var closed: Set<Slot> = []
        for (slot, tenant) in tenants.all() {
            guard let drain = tenant.drain, !departing || drain == .departed else { continue }
            closed.insert(slot)
        }
        return closed
    }

    /// Of every slot that has a name.
    func standings() throws(KernelError) -> SlotStandings {
        var standings = SlotStandings()
        for (slot, tenant) in tenants.all() {
            standings.set(
                slot, try state(of: slot), wasFilled: slots[slot].tenancy != 0, isClosed: tenant.drain != nil)
        }
        return standings
    }
}
