import PoolModel

/// Moves the rows that need not wait any more, and then frees the slots that departed collectors
/// have left.
///
/// A row moves when its exporters have no session where they are. A session that a run begins
/// meanwhile must not be missed, so the order is: read the row's word, which counts SYNs; wait until
/// the runs of these SYNs have ended; list the sessions; replace the word only if it is still the
/// same.
final class RowReleaser {
    private let pool: ActivePool
    private let sessions: SessionIndex
    private let resetter: SessionResetter
    private let sockets: SlotSockets
    private let rows: RowScheduler
    private let misplaced: MisplacedSessions
    private let exporters: ExporterTracker
    private let losses: LossTracker
    /// By row: its SYN count at a moment when the runs of all counted SYNs had ended.
    private var settledSyns: [Int: UInt64] = [:]
    /// The generation that these rows belong to: those of another one count from 0.
    private var settledGeneration: UInt64 = 0
    /// The slots' state when no row could move and none waited for a session: as long as neither
    /// this nor the waiting rows change, none can.
    private var fruitless: (availability: SlotAvailability, changes: Int)?

    init(
        _ pool: ActivePool, _ sessions: SessionIndex, _ resetter: SessionResetter, _ sockets: SlotSockets,
        _ rows: RowScheduler, _ misplaced: MisplacedSessions, _ exporters: ExporterTracker, _ losses: LossTracker
    ) {
        (self.pool, self.sessions, self.resetter, self.sockets) = (pool, sessions, resetter, sockets)
        (self.rows, self.misplaced, self.exporters, self.losses) = (rows, misplaced, exporters, losses)
    }

    private var deployment: Deployment { pool.deployment }

    /// - Parameters:
    ///   - leavingFreed: rows at slots whose collectors left the configuration move at once.
    ///   - settling: waits some 10 ms now, so that no wait is needed when the present sessions end.
    func release(leavingFreed: Bool = false, settling: Bool = false) throws(KernelError) {
        let number = deployment.generation.number
        if rows.waiting.isEmpty || settledGeneration != number { (settledSyns, settledGeneration) = ([:], number) }
        if !rows.waiting.isEmpty { try releaseWaiting(leavingFreed, settling) }
        try freeEmptySlots()
    }

    private func releaseWaiting(_ leavingFreed: Bool, _ settling: Bool) throws(KernelError) {
        let availability = try deployment.availability()
        if let fruitless, fruitless == (availability, rows.changes), !leavingFreed { return }
        let (going, candidates) = try sortWaiting(availability, leavingFreed: leavingFreed)
        if going.isEmpty, candidates.isEmpty { fruitless = (availability, rows.changes) }
        if resetter.isInForce(in: deployment) {
            let moved = rows.finish(going, candidates)
            if moved.isEmpty { return }
            misplaced.noteMoves()
            try misplaced.rejoin(formerly: Dictionary(uniqueKeysWithValues: moved.map { ($0.index, $0.slot) }))
            return
        }
        let free = try withoutSessions(candidates)
        let settled = free.filter(isSettled)
        rows.finish(going, settled)
        let areUnsettled = settled.count < free.count
        guard areUnsettled || settling && !candidates.allSatisfy(isSettled) else { return }
        waitForRuns()
        for candidate in candidates { settledSyns[candidate.index] = candidate.syns }
        if areUnsettled { rows.finish([:], try withoutSessions(free.filter { rows.waiting[$0.index] != nil })) }
    }

    /// Sorts the waiting rows into those that move nobody, and those that may move if nobody has a
    /// session where they are.
    private func sortWaiting(
        _ availability: SlotAvailability, leavingFreed: Bool
    ) throws(KernelError) -> (going: [Int: BucketRow], candidates: [RowScheduler.Candidate]) {
        let closed = deployment.closedSlots()
        let freed = leavingFreed ? Set(deployment.allocation.freed) : []
        var going: [Int: BucketRow] = [:]
        var candidates: [RowScheduler.Candidate] = []
        for (index, desired) in rows.waiting {
            let word = deployment.generation.rows[index]
            let present = BucketRow(word: word)
            switch RowWait(index, present: present, desired: desired, availability, closed: closed) {
            case .over: going[index] = desired
            case .sessions(let slot):
                if !deployment.follows || freed.contains(slot) {
                    going[index] = desired
                } else {
                    candidates.append(RowScheduler.Candidate(index: index, word: word, slot: slot))
                }
            case .owner:
                guard let slot = present.owner else { continue }
                if freed.contains(slot) {
                    going[index] = desired
                } else if closed.contains(slot), let next = availability.deliverer(of: desired, at: index),
                    case .empty = try deployment.state(of: next)
                {
                    // A draining slot does not wait for ever for a collector that never came.
                    pool.maps.slots.markDown(next)
                }
            }
        }
        return (going, candidates)
    }

    /// The runs of all SYNs that the word counts have ended: their sessions are established.
    private func isSettled(_ candidate: RowScheduler.Candidate) -> Bool {
        settledSyns[candidate.index] == candidate.syns
    }

    /// The candidates whose exporters have no session at their slot now.
    private func withoutSessions(
        _ candidates: [RowScheduler.Candidate]
    ) throws(KernelError) -> [RowScheduler.Candidate] {
        guard !candidates.isEmpty else { return [] }
        let table = deployment.table
        let slots = Dictionary(uniqueKeysWithValues: candidates.map { ($0.index, $0.slot) })
        var kept: Set<Int> = []
        let live = try sessions.live { address in table.row(of: address).map { slots[$0] != nil } ?? false }
        for session in live {
            guard let row = table.row(of: session.connection.peer), let slot = slots[row],
                session.slot ?? slot == slot
            else { continue }
            kept.insert(row)
        }
        return candidates.filter { !kept.contains($0.index) }
    }

    /// Frees the slots of departed collectors that no row names.
    private func freeEmptySlots() throws(KernelError) {
        let departing = deployment.closedSlots(departing: true)
        if departing.isEmpty { return }
        let empty = departing.subtracting(rows.ownersOfWaitingRows)
        guard !empty.isEmpty else { return }
        waitForRuns()
        try exporters.forget(empty)
        for slot in empty {
            try sockets.takeOut(slot)
            losses.forget(slot)
            pool.maps.slots.clear(slot)
            try pool.maps.tenants.set(nil, at: slot)
        }
    }
}
