import CBPFShim

/// Rows that wait, until their exporters have no session where they are.
extension DataPlane {
    /// Lets rows go that wait for nothing any more.
    ///
    /// - Parameters:
    ///   - leavingFreed: those at slots that left the configuration don't wait.
    ///   - settling: waits, some 10 ms, so that it need not when the sessions that there are now end.
    public func release(leavingFreed: Bool = false, settling: Bool = false) throws(KernelError) {
        defer { if waiting.isEmpty { settledSyns = [:] } }
        guard !waiting.isEmpty else { return }
        let (going, candidates) = try sortWaiting(leavingFreed: leavingFreed)
        if cutsSessions {
            try endSessions(from: move(going, candidates))
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
        leavingFreed: Bool
    ) throws(KernelError) -> (going: [Int: BucketRow], candidates: [RowCandidate]) {
        let standings = try self.standings()
        let closed = closedSlots()
        var going: [Int: BucketRow] = [:]
        var candidates: [RowCandidate] = []
        for (index, desired) in waiting {
            let word = generation.rows[index]
            let present = BucketRow(word: word)
            switch RowWait(index, present: present, desired: desired, standings, closed: closed) {
            case .over: going[index] = desired
            case .sessions(let place):
                if !follows || leavingFreed && allocation.freed.contains(place) {
                    going[index] = desired
                } else {
                    candidates.append(RowCandidate(index: index, word: word, place: place))
                }
            case .owner:
                // What is to get empty doesn't wait without end for one that no run has missed.
                if let place = present.owner, closed.contains(place),
                    let next = standings.deliverer(of: desired, at: index), case .empty = try state(of: next)
                {
                    slots.markVacant(next)
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
        let kept = Set(try sessions(of: candidates).keys)
        return candidates.filter { !kept.contains($0.index) }
    }

    /// Those that live where the candidates are, or were, by row.
    private func sessions(of candidates: [RowCandidate]) throws(KernelError) -> [Int: [TCPSession]] {
        guard !candidates.isEmpty else { return [:] }
        let places = Dictionary(uniqueKeysWithValues: candidates.map { ($0.index, $0.place) })
        var sessions: [Int: [TCPSession]] = [:]
        let live = try liveSessions { address in table.row(of: address).map { places[$0] != nil } ?? false }
        for session in live {
            guard let row = table.row(of: session.connection.peer), let place = places[row],
                session.slot ?? place == place
            else { continue }
            sessions[row, default: []].append(session.connection)
        }
        return sessions
    }

    // MARK: - Reset

    /// Rows don't wait for sessions: these are ended when the row has moved, so that
    /// a router that reconnects at once finds its new collector.
    private var cutsSessions: Bool {
        guard configuration.onMove == .reset, table.assignment.hasAffinity else { return false }
        if audit.resetRefusal == nil, !TCPSession.mayDestroy { audit.resetRefusal = KernelError.notPermitted }
        return ![KernelError.notPermitted, KernelError.notSupported].contains(audit.resetRefusal)
    }

    private func endSessions(from moved: [RowCandidate]) throws(KernelError) {
        guard !moved.isEmpty else { return }
        // The SYNs that the rows before had counted are sessions then.
        waitForRuns()
        var refused: Set<Int> = []
        for (row, sessions) in try sessions(of: moved) {
            for session in sessions {
                do {
                    // One that has ended by itself is no refusal.
                    if try session.destroy() { audit.resetRefusal = nil }
                } catch {
                    audit.resetRefusal = error.errno
                    refused.insert(row)
                }
            }
        }
        var moves = RowMoves()
        for candidate in moved where refused.contains(candidate.index) {
            moves.hold(candidate.index, at: candidate.place, generation.row(at: candidate.index))
        }
        waiting.merge(moves.waiting) { $1 }
        write(moves)
    }
}
