import Testing

@testable import PoolModel

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

    @Test func `a new name gets a freed slot only if all 256 are taken, and then inherits it`() {
        let present = Dictionary(uniqueKeysWithValues: (0..<UInt16(256)).map { (Slot($0), "c\($0)") })
        let names = (1..<256).map { "c\($0)" } + ["new"]
        let allocation = SlotAllocation(names: names, present: present)
        #expect(allocation["new"] == Slot(0))
        #expect(allocation.heirs == ["new"])
        #expect(allocation.freed == [Slot(0)])
    }

    @Test func `the order of the list doesn't matter`() {
        #expect(SlotAllocation(names: ["b", "a", "c"]) == SlotAllocation(names: ["c", "b", "a"]))
    }

    @Test func `256 names fill 256 slots`() {
        let names = (0..<256).map { "c\($0)" }
        let allocation = SlotAllocation(names: names)
        #expect(Set(allocation.slotOfName.values).count == 256)
    }
}

@Suite struct SlotStateTests {
    private func state(_ registrations: UInt64, _ downFor: Duration?, filled: Bool) -> SlotState {
        SlotState(registrations: registrations, downFor: downFor, hold: .seconds(10), isFilled: filled)
    }

    @Test func `a slot goes from empty over active and holding to failed`() {
        #expect(state(0, nil, filled: false) == .empty)
        #expect(state(1, nil, filled: true) == .active)
        #expect(state(1, .seconds(4), filled: false) == .holding(left: .seconds(6)))
        #expect(state(1, .seconds(10), filled: false) == .failed)
    }

    @Test func `a registered collector is active only if it is proven, and queues if its sockets are kept`() {
        func state(isKept: Bool = false, isProven: Bool, downFor: Duration? = nil, isDraining: Bool = false)
            -> SlotState
        {
            SlotState(
                registrations: 2, downFor: downFor, hold: .seconds(10), isFilled: true, isDraining: isDraining,
                isKept: isKept, isProven: isProven)
        }
        #expect(state(isProven: true) == .active)
        #expect(state(isProven: false) == .unverified)
        #expect(state(isProven: false, isDraining: true) == .draining)
        #expect(state(isKept: true, isProven: true) == .queueing)
        #expect(state(isKept: true, isProven: true, downFor: .seconds(11)) == .failed)
        #expect([SlotState.unverified, .queueing].allSatisfy { $0.standing == .usable })
    }

    @Test func `a collector that is set aside is stalled as long as its sockets are there and its process lives`() {
        func state(isFilled: Bool = true, isKept: Bool = false, downFor: Duration? = .seconds(1 << 40)) -> SlotState {
            SlotState(
                registrations: 2, downFor: downFor, hold: .seconds(10), isFilled: isFilled, isKept: isKept,
                isSetAside: true)
        }
        #expect(state() == .stalled && state().standing == .away)
        #expect(state(isFilled: false) == .failed)
        #expect(state(isKept: true) == .failed)
        #expect(state(downFor: nil) == .active)
    }

    @Test func `a collector that lacks a socket is not active`() {
        #expect(state(3, nil, filled: false) == .holding(left: .seconds(10)))
        #expect(state(3, .seconds(1), filled: true) == .holding(left: .seconds(9)))
    }
}

@Suite struct DeliveryTests {
    private let row = BucketRow(ranks: [Slot(2), Slot(0), Slot(1)])

    private func delivery(_ states: [SlotState], _ row: BucketRow? = nil, at index: Int = 0) -> Delivery {
        Delivery(row: row ?? self.row, at: index, .of(states))
    }

    @Test func `a run goes to its owner, else it is held for the owner, else the next rank gets it`() {
        #expect(delivery([.active, .active, .active]) == .selected(Slot(2)))
        #expect(delivery([.active, .active, .holding(left: .seconds(1))]) == .held(Slot(2)))
        #expect(delivery([.active, .active, .empty]) == .held(Slot(2)))
        #expect(delivery([.active, .active, .failed]) == .failedOver(Slot(0)))
        #expect(delivery([.holding(left: .seconds(1)), .active, .failed]) == .held(Slot(0)))
    }

    @Test func `after 4 failed ranks any usable slot stands in, and without one the outcome is no_collector`() {
        let five = BucketRow(ranks: (0..<5).map { Slot($0) })
        #expect(five.ranks.count == 4)
        #expect(delivery([.failed, .failed, .failed, .failed, .active], five, at: 250) == .failedOver(Slot(4)))
        #expect(delivery([.failed, .failed, .failed], five) == .noCollector)
    }

    @Test func `a draining collector gets its own exporters and stands in for no others`() {
        let five = BucketRow(ranks: (0..<4).map { Slot($0) })
        #expect(delivery([.active, .active, .draining]) == .selected(Slot(2)))
        #expect(delivery([.failed, .failed, .failed, .failed, .draining], five, at: 4) == .noCollector)
    }

    @Test func `a row's word holds rank r in the 10 bits from bit 10 r, and a count that is no part of it`() {
        let word: UInt64 = 0x3ff << 30 | 1 << 20 | 0 << 10 | 2
        #expect(row.word == word)
        #expect(BucketRow(ranks: []).word == 1 << 40 - 1)
        #expect(BucketRow(word: 0xabcdef << 40 | word) == row)
        #expect(row.ranks == [Slot(2), Slot(0), Slot(1)])
        #expect(BucketRow(ranks: [Slot(255), Slot(254), Slot(0), Slot(7)]).ranks.map(\.index) == [255, 254, 0, 7])
    }

    @Test func `the stand-in of each row is the first host from the row's number on`() {
        var random = SplitMix(state: 4)
        for _ in 0..<200 {
            let count = [0, 1, 3, 100, 256].randomElement(using: &random)!
            let slots = Set((0..<UInt16(256)).shuffled(using: &random).prefix(count).map(Slot.init))
            let closed = Set(slots.filter { _ in Bool.random(using: &random) && Bool.random(using: &random) })
            var availability = SlotAvailability()
            for slot in slots {
                availability.set(
                    slot, Bool.random(using: &random) ? .active : .failed, wasFilled: Bool.random(using: &random),
                    isClosed: false)
            }
            let open = availability
            let extra = Slot(UInt16.random(in: 0..<256, using: &random))
            for availability in [
                open, open.closing(closed), open.closing(closed).closing([]), open.making(usable: extra),
            ] {
                let hosts = (0..<UInt16(256)).map(Slot.init).filter { availability.isStandIn($0) }
                for index in 0..<512 {
                    let first = hosts.first { Int($0.index) >= index % 256 } ?? hosts.first
                    #expect(availability.standIn(at: index) == first)
                }
            }
            #expect(open.closing(closed).closing([]) == open)
        }
    }
}

extension SlotAvailability {
    /// States of the slots from 0 on; the others never had a collector.
    static func of(_ states: [SlotState]) -> SlotAvailability {
        var availability = SlotAvailability()
        for (index, state) in states.enumerated() {
            availability.set(
                Slot(UInt16(index)), state, wasFilled: state != .empty && state != .absent,
                isClosed: state == .draining)
        }
        return availability
    }
}
