import CBPFShim
import PoolModel

/// The words of the pool's slots (rpa_slot), which the program reads and writes, too.
struct SlotTable {
    private let words: MappedArray
    private static let wordsPerSlot = MemoryLayout<rpa_slot>.stride / MemoryLayout<UInt64>.stride

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
    func groups(of slot: Slot) -> UInt64 { self[slot, .groups] & Self.memberBits }

    func setGroups(of slot: Slot, _ groups: UInt64) {
        self[slot, .groups] = self[slot, .groups] & ~Self.memberBits | groups
    }

    private static let memberBits = UInt64(1) << UInt64(RPA_SEVERAL_SHIFT) - 1

    /// The slot's entries in a group among which the program chooses, at least 1. All of the slot's sockets are among
    /// them, but those that are about to leave it.
    func span(of slot: Slot, in group: Int) -> Int {
        let word = words[Self.spanIndex(of: slot, in: group)]
        return max(1, Int(word >> Self.spanShift(in: group) & Self.spanMask))
    }

    /// - Parameter span: 1 … `SocketEntry.workerLimit`.
    func setSpan(_ span: Int, of slot: Slot, in group: Int) {
        let index = Self.spanIndex(of: slot, in: group)
        let shift = Self.spanShift(in: group)
        let bit = UInt64(1) << UInt64(Int(RPA_SEVERAL_SHIFT) + group)
        let spans = words[index] & ~(Self.spanMask << shift) | UInt64(span) << shift
        let groups = span > 1 ? self[slot, .groups] | bit : self[slot, .groups] & ~bit
        // Also the bit alone, which a killed agent may have left out. It comes last: a run that sees it sees the span.
        if words[index] != spans { words[index] = spans }
        if self[slot, .groups] != groups { self[slot, .groups] = groups }
    }

    private static func spanIndex(of slot: Slot, in group: Int) -> Int {
        wordsPerSlot * Int(slot.index) + Word.firstSpan.rawValue + group / Int(RPA_SPANS_PER_WORD)
    }

    private static func spanShift(in group: Int) -> UInt64 {
        UInt64(group % Int(RPA_SPANS_PER_WORD) * Int(RPA_SPAN_BITS))
    }

    private static let spanMask = UInt64(1) << UInt64(RPA_SPAN_BITS) - 1

    /// Which of the slot's several sockets in a group gets a run.
    func setChoice(_ choice: WorkerChoice, of slot: Slot) {
        let policy = self[slot, .policy] & UInt64(RPA_IS_CLOSED) | choice.code << UInt64(RPA_CHOICE_SHIFT)
        if self[slot, .policy] != policy { self[slot, .policy] = policy }
    }

    func isClosed(_ slot: Slot) -> Bool { self[slot, .policy] & UInt64(RPA_IS_CLOSED) != 0 }

    /// Excludes these slots from failover; all others can stand in.
    func close(_ closed: Set<Slot>) {
        for index in 0..<UInt16(SlotAllocation.capacity) {
            let slot = Slot(index)
            if isClosed(slot) != closed.contains(slot) { self[slot, .policy] ^= UInt64(RPA_IS_CLOSED) }
        }
    }

    /// Resets the slot to the state of one that never had a collector.
    func clear(_ slot: Slot) {
        for word in [Word.groups, .policy, .registrationNumber, .downSince] { self[slot, word] = 0 }
        for index in Word.firstSpan.rawValue..<Self.wordsPerSlot {
            words[Self.wordsPerSlot * Int(slot.index) + index] = 0
        }
    }

    private enum Word: Int { case registrationNumber, downSince, groups, policy, firstSpan }

    private subscript(slot: Slot, word: Word) -> UInt64 {
        get { words[Self.wordsPerSlot * Int(slot.index) + word.rawValue] }
        nonmutating set { words[Self.wordsPerSlot * Int(slot.index) + word.rawValue] = newValue }
    }

    private static var nowTicks: UInt64 { KernelClock.nanoseconds >> UInt64(RPA_TICK_SHIFT) }
}
