import Testing

@testable import PoolModel

@Suite struct RowMovesTests {
    private let names = (1...8).map { "c\($0)" }

    private func candidates(_ names: some Sequence<String>) -> [WeightedCollector] {
        names.map { name in WeightedCollector(name: name, slot: Slot(UInt16(Int(name.dropFirst())! - 1))) }
    }

    private func rows(_ names: some Collection<String>, _ assignment: Assignment = .rendezvous) -> [BucketRow] {
        AssignmentTable(.pool(Array(names), assignment: assignment)).rows(for: candidates(names))
    }

    private func moves(
        from present: [BucketRow], to desired: [BucketRow], _ availability: SlotAvailability, follows: Bool = true
    ) -> RowMoves {
        var moves = RowMoves()
        for (index, row) in desired.enumerated() {
            moves.add(index, from: present[index], to: row, availability, availability, follows: follows)
        }
        return moves
    }

    @Test(arguments: [Assignment.rendezvous, .maglev])
    func `with 6 new collectors that haven't come, all rows stay with their former owners`(
        assignment: Assignment
    ) {
        let before = rows(names.prefix(2), assignment)
        let desired = rows(names, assignment)
        let availability = SlotAvailability.of([.active, .active] + Array(repeating: .absent, count: 6))
        let moves = moves(from: before, to: desired, availability)
        for (index, old) in before.enumerated() {
            let now = moves.writes[index] ?? old
            #expect(availability.deliverer(of: now, at: index) == old.owner)
            guard let wanted = moves.waiting[index] else { continue }
            #expect(wanted == desired[index])
            // Maglev moves a few rows between collectors that stay; all others wait for their owner.
            let isStranger = availability.isStranger(wanted.owner!)
            #expect(
                RowWait(index, present: now, desired: wanted, availability, closed: [])
                    == (isStranger ? .owner : .sessions(at: old.owner!)))
        }
        // If all four ranks are new collectors, some other collector keeps the row.
        #expect(!moves.waiting.isEmpty)
    }

    @Test func `with a ninth collector only its own rows wait, each with its present owner first`() {
        let nine = names + ["c9"]
        let before = rows(names)
        let desired = rows(nine)
        let moves = moves(from: before, to: desired, .of(Array(repeating: .active, count: 9)))
        #expect(Set(moves.waiting.keys) == Set(desired.indices.filter { desired[$0].owner == Slot(8) }))
        for (index, wanted) in moves.waiting {
            #expect(moves.writes[index]!.owner == before[index].owner)
            #expect(
                Array(moves.writes[index]!.ranks.dropFirst())
                    == Array(wanted.ranks.filter { $0 != before[index].owner }.prefix(3)))
        }
    }

    @Test func `without following no row waits, and every row is the table's`() {
        let desired = rows(names + ["c9"])
        let moves = moves(
            from: rows(names), to: desired, .of(Array(repeating: .active, count: 9)), follows: false)
        #expect(moves.waiting.isEmpty && moves.writes.allSatisfy { desired[$0.key] == $0.value })
    }

    @Test func `rows of a held or failed collector don't wait, because nobody has a session there`() {
        for state in [SlotState.holding(left: .seconds(1)), .failed, .empty] {
            let desired = rows(names.dropFirst())
            let moves = moves(
                from: rows(names), to: desired, .of([state] + Array(repeating: .active, count: 7)))
            // Those that failed over already are where they are to be.
            #expect(moves.waiting.isEmpty)
        }
    }

    @Test func `rows that a returning collector takes over wait where they are, and no others`() {
        let availability = SlotAvailability.of([.failed] + Array(repeating: .active, count: 7))
        let after = availability.making(usable: Slot(0))
        let rows = rows(names)
        var moves = RowMoves()
        for (index, row) in rows.enumerated() {
            moves.addKept(index, present: row, desired: nil, availability, after)
        }
        #expect(Set(moves.waiting.keys) == Set(rows.indices.filter { rows[$0].owner == Slot(0) }))
        for (index, row) in moves.writes {
            #expect(after.deliverer(of: row, at: index) == rows[index].ranks[1])
            #expect(moves.waiting[index] == rows[index])
        }
    }

    @Test func `a row that waits at a collector that goes down stops waiting, and its ranks apply`() {
        let desired = BucketRow(ranks: [Slot(4), Slot(1), Slot(2), Slot(3)])
        let present = desired.putting(first: Slot(2))
        #expect(present.ranks == [Slot(2), Slot(4), Slot(1), Slot(3)])
        for (state, wait) in [
            (SlotState.active, RowWait.sessions(at: Slot(2))), (.draining, .sessions(at: Slot(2))),
            (.holding(left: .seconds(1)), .over), (.failed, .over),
        ] {
            let availability = SlotAvailability.of([.active, .active, state, .active, .active])
            #expect(RowWait(7, present: present, desired: desired, availability, closed: []) == wait)
        }
    }

    @Test func `a row leaves a draining collector although its owner has never come`() {
        let desired = BucketRow(ranks: [Slot(1), Slot(2)])
        let present = desired.putting(first: Slot(0))
        let availability = SlotAvailability.of([.draining, .absent, .active])
        #expect(
            RowWait(0, present: present, desired: desired, availability, closed: [Slot(0)]) == .sessions(at: Slot(0)))
        #expect(RowWait(0, present: present, desired: desired, availability, closed: []) == .owner)
    }

    @Test func `a row moves neither to a collector that is down nor from one that drains`() {
        let desired = BucketRow(ranks: [Slot(1), Slot(2)])
        let present = desired.putting(first: Slot(0))
        for closed: Set<Slot> in [[], [Slot(0)]] {
            for state in [SlotState.holding(left: .seconds(5)), .empty] {
                let availability = SlotAvailability.of([.active, state, .active])
                #expect(RowWait(0, present: present, desired: desired, availability, closed: closed) == .owner)
            }
            let isBack = SlotAvailability.of([.active, .active, .active])
            #expect(
                RowWait(0, present: present, desired: desired, isBack, closed: closed) == .sessions(at: Slot(0)))
            let nobody = SlotAvailability.of([.active, .failed, .failed]).closing([Slot(0)])
            #expect(RowWait(0, present: present, desired: desired, nobody, closed: closed) == .owner)
        }
    }

    @Test func `rows of a draining stand-in wait there, although no row names it`() {
        let row = BucketRow(ranks: [Slot(1), Slot(2)])
        let before = SlotAvailability.of([.active, .failed, .failed, .active])
        // From row 0 on, slot 0 is the first that can stand in.
        #expect(before.deliverer(of: row, at: 0) == Slot(0))
        let after = before.closing([Slot(0)])
        #expect(after.deliverer(of: row, at: 0) == Slot(3))
        for (first, second, place) in [(before, after, Slot(0)), (after, before, Slot(3))] {
            var moves = RowMoves()
            moves.add(0, from: row, to: row, first, second, follows: true)
            #expect(moves.waiting == [0: row] && moves.writes == [0: row.putting(first: place)])
        }
    }
}
