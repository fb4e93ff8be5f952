import CBPFShim

/// Rows that wait, until their exporters have no session where they are.
extension DataPlane {
    /// Lets rows go that wait for nothing any more, and frees the slots of departed
    /// collectors that are empty then.
    ///
    /// - Parameters:
    ///   - leavingFreed: those at slots that left the configuration don't wait.
    ///   - settling: waits, some 10 ms, so that it need not when the sessions that there are now end.
    public func release(leavingFreed: Bool = false, settling: Bool = false) throws(KernelError) {
        if !waiting.isEmpty { try releaseWaiting(leavingFreed, settling) }
        if waiting.isEmpty { settledSyns = [:] }
        try freeEmptied()
    }

    private func releaseWaiting(_ leavingFreed: Bool, _ settling: Bool) throws(KernelError) {
        let availability = try self.availability()
        if availability == fruitless, !leavingFreed { return }
        let (going, candidates) = try sortWaiting(availability, leavingFreed: leavingFreed)
        if going.isEmpty, candidates.isEmpty { fruitless = availability }
        if cutsSessions {
            let moved = move(going, candidates)
            if moved.isEmpty { return }
            mayHaveMisplacedSessions = true
            try rejoinMisplacedSessions(formerly: Dictionary(uniqueKeysWithValues: moved.map { ($0.index, $0.place) }))
            return
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

    /// Rows that move nobody, and those that move if nobody has a session where they are.
    private func sortWaiting(
        _ availability: SlotAvailability, leavingFreed: Bool
    ) throws(KernelError) -> (going: [Int: BucketRow], candidates: [RowCandidate]) {
        let closed = closedSlots()
        var going: [Int: BucketRow] = [:]
        var candidates: [RowCandidate] = []
        for (index, desired) in waiting {
            let word = generation.rows[index]
            let present = BucketRow(word: word)
            switch RowWait(index, present: present, desired: desired, availability, closed: closed) {
            case .over: going[index] = desired
            case .sessions(let place):
                if !follows || leavingFreed && allocation.freed.contains(place) {
                    going[index] = desired
                } else {
                    candidates.append(RowCandidate(index: index, word: word, place: place))
                }
            case .owner:
                if leavingFreed, let place = present.owner, allocation.freed.contains(place) {
                    going[index] = desired
                    continue
                }
                // What is to get empty doesn't wait without end for one that no run has missed.
                if let place = present.owner, closed.contains(place),
                    let next = availability.deliverer(of: desired, at: index), case .empty = try state(of: next)
                {
                    slots.markDown(next)
                }
            }
        }
        return (going, candidates)
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

    /// - Returns: the candidates that moved: not those that a SYN came to since their word was read.
    @discardableResult
    private func move(_ going: [Int: BucketRow], _ candidates: [RowCandidate]) -> [RowCandidate] {
        guard !going.isEmpty || !candidates.isEmpty else { return [] }
        return settings.writingRows {
            generation.write(going.lazy.map { ($0.key, $0.value) })
            for index in going.keys { waiting[index] = nil }
            return candidates.filter { candidate in
                guard let desired = waiting[candidate.index],
                    generation.replace(candidate.index, expected: candidate.word, with: desired)
                else { return false }
                waiting[candidate.index] = nil
                return true
            }
        }
    }

    /// The candidates whose exporters have no session there now.
    private func withoutSessions(_ candidates: [RowCandidate]) throws(KernelError) -> [RowCandidate] {
        guard !candidates.isEmpty else { return [] }
        let places = Dictionary(uniqueKeysWithValues: candidates.map { ($0.index, $0.place) })
        var kept: Set<Int> = []
        let live = try liveSessions { address in table.row(of: address).map { places[$0] != nil } ?? false }
        for session in live {
            guard let row = table.row(of: session.connection.peer), let place = places[row],
                session.slot ?? place == place
            else { continue }
            kept.insert(row)
        }
        return candidates.filter { !kept.contains($0.index) }
    }
}
