import CBPFShim
import PoolModel

/// The words of the pool's slots (rpa_slot), which the program reads and writes, too.
struct SlotTable {
    private let words: MappedArray
    private static let wordsPerSlot = 4

    init(in folder: PinFolder) throws(PoolError) {
        words = try MappedArray.pinned(
            "slots", in: folder, entries: SlotAllocation.capacity, wordsPerEntry: Self.wordsPerSlot)
    }

    var map: Descriptor { _read { yield words.map } }

    struct Words {
        /// How many times a collector was put into the slot.
        let registrationNumber: UInt64
        /// Time since the slot was found vacant; nil: it isn't vacant.
        let downFor: Duration?
    }

    subscript(slot: Slot) -> Words {
        let registrationNumber = self[slot, .registrationNumber]
        let downSince = self[slot, .downSince]
        guard downSince != 0, UInt16(truncatingIfNeeded: downSince) == UInt16(truncatingIfNeeded: registrationNumber)
        else {
            return Words(registrationNumber: registrationNumber, downFor: nil)
        }
        if downSince >> 16 == UInt64(RPA_LONG_AGO) {
            return Words(registrationNumber: registrationNumber, downFor: .seconds(1 << 40))
        }
        let ticks = Int64(bitPattern: Self.nowTicks &- downSince >> 16)
        return Words(
            registrationNumber: registrationNumber, downFor: .nanoseconds(max(0, ticks) << Int64(RPA_TICK_SHIFT)))
    }

    /// Records that a collector was put into the slot, which voids an earlier hold clock.
    func markFilled(_ slot: Slot) { self[slot, .registrationNumber] &+= 1 }

    /// Starts the slot's hold clock.
    func markDown(_ slot: Slot) {
        self[slot, .downSince] = Self.nowTicks << 16 | self[slot, .registrationNumber] & 0xffff
    }

    /// What the slot has in place of a hold clock, to write it back.
    struct HoldClock { fileprivate let word: UInt64 }

    func holdClock(of slot: Slot) -> HoldClock { HoldClock(word: self[slot, .downSince]) }

    func setHoldClock(_ clock: HoldClock, of slot: Slot) { self[slot, .downSince] = clock.word }

    /// Sets the slot's hold clock later. Only for a slot whose clock runs: the program doesn't write it then.
    func postponeDown(_ slot: Slot, by time: Duration) {
        let ticks = UInt64(max(.zero, time) / .nanoseconds(1)) >> UInt64(RPA_TICK_SHIFT)
        self[slot, .downSince] += ticks << 16
    }

    /// Ends the slot's hold: it counts as over for a long time.
    func markAbandoned(_ slot: Slot) {
        self[slot, .downSince] = UInt64(RPA_LONG_AGO) << 16 | self[slot, .registrationNumber] & 0xffff
    }

    /// Whether the slot's hold has been ended.
    func isAbandoned(_ slot: Slot) -> Bool {
        self[slot, .downSince] == UInt64(RPA_LONG_AGO) << 16 | self[slot, .registrationNumber] & 0xffff
    }

    /// The groups in which its collector has, or had, a socket: a bit for each group number.
    func groups(of slot: Slot) -> UInt64 { self[slot, .groups] }

    func setGroups(of slot: Slot, _ groups: UInt64) { self[slot, .groups] = groups }

    func isClosed(_ slot: Slot) -> Bool { self[slot, .closed] != 0 }

    /// Excludes these slots from failover; all others can stand in.
    func close(_ closed: Set<Slot>) {
        for index in 0..<UInt16(SlotAllocation.capacity) {
            let slot = Slot(index)
            if isClosed(slot) != closed.contains(slot) { self[slot, .closed] = closed.contains(slot) ? 1 : 0 }
        }
    }

    /// Resets the slot to the state of one that never had a collector.
    func clear(_ slot: Slot) {
        for word in [Word.groups, .closed, .registrationNumber, .downSince] { self[slot, word] = 0 }
    }

    private enum Word: Int { case registrationNumber, downSince, groups, closed }

    private subscript(slot: Slot, word: Word) -> UInt64 {
        get { words[Self.wordsPerSlot * Int(slot.index) + word.rawValue] }
        nonmutating set { words[Self.wordsPerSlot * Int(slot.index) + word.rawValue] = newValue }
    }

    private static var nowTicks: UInt64 { KernelClock.nanoseconds >> UInt64(RPA_TICK_SHIFT) }
}
