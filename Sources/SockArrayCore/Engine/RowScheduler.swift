import CBPFShim
import PoolModel

/// The one writer of rows. It knows the rows that wait: they keep their exporters at the collector
/// that has their sessions, until these have ended. `RowMoves` decides which rows wait.
final class RowScheduler {
    private let pool: ActivePool
    /// The target row of each pending move, by row index.
    private(set) var waiting: [Int: BucketRow] = [:] { didSet { changes += 1 } }
    /// Changes whenever `waiting` does.
    private(set) var changes = 0

    init(_ pool: ActivePool) { self.pool = pool }

    private var deployment: Deployment { pool.deployment }
    private var generation: Generation { pool.deployment.generation }
    private var settings: PoolSettings { pool.maps.settings }

    /// Moves the rows of the generation in force. It also closes the slots that drain and opens all
    /// others: an open slot may stand in for others.
    ///
    /// - Parameter before: the slots' state now.
    /// - Returns: how many rows were neither as desired nor waiting for it.
    @discardableResult
    func move(to desired: [BucketRow], _ before: SlotAvailability) -> Int {
        let closed = deployment.closedSlots()
        let after = before.closing(closed)
        var moves = RowMoves()
        for (index, row) in desired.enumerated() {
            moves.add(index, from: generation.row(at: index), to: row, before, after, follows: deployment.follows)
        }
        waiting = moves.waiting
        let written = write(moves)
        pool.maps.slots.close(closed)
        return written
    }

    /// Writes the rows of a new generation, then puts it in force by one store.
    ///
    /// - Parameters:
    ///   - previous: the generation in force; nil: there is none.
    ///   - live: sessions that were established a moment ago, if rows follow them.
    func putInForce(
        _ desired: [BucketRow], over previous: PreviousTable?, _ live: [PlacedSession], _ before: SlotAvailability
    ) {
        let closed = deployment.closedSlots()
        let after = before.closing(closed)
        var moves = RowMoves()
        for (index, row) in desired.enumerated() {
            moves.add(index, from: previous?.row(at: index), to: row, before, after, follows: deployment.follows)
        }
        for (index, slot) in live.misplaced(after, row: { moves.writes[$0] ?? desired[$0] }) {
            moves.hold(index, at: slot, desired[index])
        }
        waiting = moves.waiting
        // This also ends a write that an agent was killed in: its rows are in force until then.
        settings.writingRows {
            generation.write(desired.enumerated().lazy.map { ($0.offset, moves.writes[$0.offset] ?? $0.element) })
            settings[shapeOf: generation.parity] = deployment.table.shape
            settings.generation = generation.number
        }
        pool.maps.slots.close(closed)
    }

    /// Before a collector comes to its slot: the rows that it would take over wait where they are.
    func prepareReturn(of slot: Slot) throws(KernelError) {
        guard deployment.follows else { return }
        let availability = try deployment.availability()
        let after = availability.making(usable: slot)
        var moves = RowMoves()
        for index in 0..<deployment.table.rowCount {
            moves.addKept(index, present: generation.row(at: index), desired: waiting[index], availability, after)
        }
        add(moves)
    }

    /// Rows that have to wait, beside those that do.
    func add(_ moves: RowMoves) {
        waiting.merge(moves.waiting) { $1 }
        write(moves)
    }

    /// - Returns: how many rows were different.
    @discardableResult
    private func write(_ moves: RowMoves) -> Int {
        guard settings.isWritingRows || !moves.writes.isEmpty else { return 0 }
        return settings.writingRows { generation.write(moves.writes.lazy.map { ($0.key, $0.value) }) }
    }

    // MARK: - Rows that no longer wait

    /// A row that may move if its exporters have no session at the slot where they are.
    struct Candidate {
        let index: Int
        /// The row's word, as it was read first.
        let word: UInt64
        let slot: Slot

        /// SYNs that the row has counted.
        var syns: UInt64 { word >> UInt64(RPA_SYN_SHIFT) }
    }

    /// Moves rows that wait: those of `going` in any case, the candidates only if no SYN came to them
    /// since their word was read.
    ///
    /// - Returns: the candidates that moved.
    @discardableResult
    func finish(_ going: [Int: BucketRow], _ candidates: [Candidate]) -> [Candidate] {
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

    /// Sends rows to the slots of their sessions, and lets them wait there.
    ///
    /// - Parameter words: all rows, as they were read before the sessions were listed.
    /// - Returns: false: a SYN came to one of these rows since then, and it was left as it is.
    func hold(at slots: [Int: Slot], expecting words: [UInt64]) -> Bool {
        guard !slots.isEmpty else { return true }
        return settings.writingRows {
            slots.reduce(true) { isDone, held in
                let (index, slot) = held
                let desired = waiting[index] ?? BucketRow(word: words[index])
                guard generation.replace(index, expected: words[index], with: desired.putting(first: slot))
                else { return false }
                waiting[index] = desired
                return isDone
            }
        }
    }

    // MARK: - Reading

    /// The owners of rows that wait: these slots still have what they are to lose.
    var ownersOfWaitingRows: Set<Slot> { Set(waiting.keys.compactMap { generation.row(at: $0).owner }) }

    /// Rows that the slot still has and is to lose.
    func rowsLeaving(_ slot: Slot) -> Int { waiting.keys.count { generation.row(at: $0).owner == slot } }

    /// Whether the slot still has the row and is to lose it.
    func isLeaving(_ slot: Slot, row: Int) -> Bool { waiting[row] != nil && generation.row(at: row).owner == slot }

    /// Rows that wait for sessions elsewhere before they come to the slot.
    func rowsComing(to slot: Slot) -> Int { waiting.values.count { $0.owner == slot } }
}
