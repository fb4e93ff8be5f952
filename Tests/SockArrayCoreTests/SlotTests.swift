import Testing

@testable import SockArrayCore

@Suite struct SlotAllocationTests {
    @Test func `names keep their slots when others come and go`() {
        let present: [Slot: String] = [Slot(0): "a", Slot(1): "b", Slot(2): "c"]
        let allocation = SlotAllocation(names: ["d", "c", "a"], present: present)
        #expect(allocation["a"] == Slot(0))
        #expect(allocation["c"] == Slot(2))
        #expect(allocation["d"] == Slot(3), "rows may name slot 1 still")
        #expect(allocation.freed == [Slot(1)])
        #expect(allocation.heirs.isEmpty)
    }

    @Test func `a new name gets a freed slot only if all 256 are taken, and is its heir`() {
        let present = Dictionary(uniqueKeysWithValues: (0..<UInt16(256)).map { (Slot($0), "c\($0)") })
        let names = (1..<256).map { "c\($0)" } + ["new"]
        let allocation = SlotAllocation(names: names, present: present)
        #expect(allocation["new"] == Slot(0))
        #expect(allocation.heirs == ["new"])
        #expect(allocation.freed == [Slot(0)])
    }

    @Test func `the order of the list is of no meaning`() {
        #expect(SlotAllocation(names: ["b", "a", "c"]) == SlotAllocation(names: ["c", "b", "a"]))
    }

    @Test func `256 names fill 256 slots`() {
        let names = (0..<256).map { "c\($0)" }
        let allocation = SlotAllocation(names: names)
        #expect(Set(allocation.slotOfName.values).count == 256)
    }
}

@Suite struct SlotStateTests {
    private func state(_ registrations: UInt64, _ vacantFor: Duration?, filled: Bool) -> SlotState {
        SlotState(registrations: registrations, vacantFor: vacantFor, hold: .seconds(10), isFilled: filled)
    }

    @Test func `a slot goes from empty over active and holding to failed`() {
        #expect(state(0, nil, filled: false) == .empty)
        #expect(state(1, nil, filled: true) == .active)
        #expect(state(1, .seconds(4), filled: false) == .holding(left: .seconds(6)))
        #expect(state(1, .seconds(10), filled: false) == .failed)
    }

    @Test func `half a collector is not active`() {
        #expect(state(3, nil, filled: false) == .holding(left: .seconds(10)))
        #expect(state(3, .seconds(1), filled: true) == .holding(left: .seconds(9)))
    }
}

@Suite struct DeliveryTests {
    private let row = BucketRow(ranks: [Slot(2), Slot(0), Slot(1)])

    private func delivery(_ states: [SlotState], _ row: BucketRow? = nil, hash: UInt64 = 0) -> Delivery {
        Delivery(
            row: row ?? self.row, hash: hash,
            state: { $0.index < states.count ? states[Int($0.index)] : .failed },
            wasFilled: { $0.index < states.count })
    }

    @Test func `the owner gets it, else it is held for the owner, else the next rank gets it`() {
        #expect(delivery([.active, .active, .active]) == .selected(Slot(2)))
        #expect(delivery([.active, .active, .holding(left: .seconds(1))]) == .held(Slot(2)))
        #expect(delivery([.active, .active, .empty]) == .held(Slot(2)))
        #expect(delivery([.active, .active, .failed]) == .failedOver(Slot(0)))
        #expect(delivery([.holding(left: .seconds(1)), .active, .failed]) == .held(Slot(0)))
    }

    @Test func `beyond 4 failed ranks any usable slot stands in, none is no_collector`() {
        let five = BucketRow(ranks: (0..<5).map { Slot($0) })
        #expect(five.ranks.count == 4)
        #expect(delivery([.failed, .failed, .failed, .failed, .active], five, hash: 250) == .failedOver(Slot(4)))
        #expect(delivery([.failed, .failed, .failed], five) == .noCollector)
    }

    @Test func `a row's word holds rank r in the 16 bits from bit 16 r`() {
        #expect(row.word == 0xffff_0001_0000_0002)
        #expect(BucketRow(ranks: []).word == .max)
        #expect(BucketRow(word: 0xffff_0001_0000_0002).ranks == [Slot(2), Slot(0), Slot(1)])
    }
}
