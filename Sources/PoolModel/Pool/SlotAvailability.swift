/// Whether each slot is usable, held or away for a run: the program's view of all slots
/// at one moment.
public struct SlotAvailability: Equatable, Sendable {
    public enum Standing: Equatable, Sendable {
        /// The slot receives its runs.
        case usable
        /// The slot's runs are dropped: its exporters are held.
        case held
        /// The next rank receives the slot's runs.
        case away
    }

    private var availability = [Standing](repeating: .away, count: SlotAllocation.capacity)
    /// Slots that had a collector once.
    private var hosts: Set<Slot> = []
    /// Slots that drain, and therefore receive no exporters of other slots.
    private var closed: Set<Slot> = []
    /// Slots that never had a collector, and whose exporters aren't held.
    private var strangers: Set<Slot> = []
    /// Hosts that are usable and not closed: a bit each, 64 slots a word. Asked for each
    /// row whose ranks are all away, and these may be all rows.
    private var standIns = [UInt64](repeating: 0, count: SlotAllocation.capacity / 64)

    public init() {}

    /// Every given slot is usable.
    package static func all(_ slots: some Sequence<Slot>) -> SlotAvailability {
        var availability = SlotAvailability()
        for slot in slots { availability.set(slot, .active, wasFilled: true, isClosed: false) }
        return availability
    }

    /// - Parameter isClosed: the slot receives no exporters of other slots.
    public mutating func set(_ slot: Slot, _ state: SlotState, wasFilled: Bool, isClosed: Bool) {
        availability[Int(slot.index)] =
            switch state {
            case .active, .draining: .usable
            case .empty, .holding: .held
            case .failed, .absent: .away
            }
        if wasFilled { hosts.insert(slot) }
        if isClosed { closed.insert(slot) }
        if state == .absent { strangers.insert(slot) }
        noteStandIn(slot)
    }

    func isStandIn(_ slot: Slot) -> Bool {
        hosts.contains(slot) && !closed.contains(slot) && self[slot] == .usable
    }

    private mutating func noteStandIn(_ slot: Slot) {
        let (word, bit) = (Int(slot.index) / 64, UInt64(1) << UInt64(slot.index % 64))
        if isStandIn(slot) { standIns[word] |= bit } else { standIns[word] &= ~bit }
    }

    public subscript(slot: Slot) -> Standing { availability[Int(slot.index)] }

    public func isStranger(_ slot: Slot) -> Bool { strangers.contains(slot) }

    /// The same, if the slot's collector were there.
    public func making(usable slot: Slot) -> SlotAvailability {
        var other = self
        other.availability[Int(slot.index)] = .usable
        other.strangers.remove(slot)
        other.hosts.insert(slot)
        other.noteStandIn(slot)
        return other
    }

    /// The same, if other slots were closed.
    public func closing(_ slots: Set<Slot>) -> SlotAvailability {
        var other = self
        other.closed = slots
        for slot in slots.union(closed) { other.noteStandIn(slot) }
        return other
    }

    /// The slot that receives a row's exporters, or that they are held for: the first rank
    /// that isn't away, otherwise a stand-in. Nil: no slot is usable.
    ///
    /// - Parameter index: the row's.
    public func deliverer(of row: BucketRow, at index: Int) -> Slot? {
        for rank in 0..<BucketRow.capacity {
            guard let slot = row[rank] else { break }
            if self[slot] != .away { return slot }
        }
        return standIn(at: index)
    }

    /// For a row whose ranks are all away: the first one from the row's number on.
    func standIn(at index: Int) -> Slot? {
        let start = index % SlotAllocation.capacity
        for step in 0...standIns.count {
            let word = (start / 64 + step) % standIns.count
            var bits = standIns[word]
            // Of the word that it begins in, first what follows, and at the end what is before.
            let later = ~UInt64(0) << UInt64(start % 64)
            if step == 0 { bits &= later }
            if step == standIns.count { bits &= ~later }
            if bits != 0 { return Slot(UInt16(64 * word + bits.trailingZeroBitCount)) }
        }
        return nil
    }
}
