/// The state of a slot, the same in all groups of the pool.
public enum SlotState: Equatable, Sendable {
    /// The slot never had a collector. The first run for it starts the hold clock.
    case empty
    /// The slot never had a collector, and its exporters aren't held: they are at
    /// their next ranks, as before the name came to a running pool.
    case absent
    /// The collector receives what the table assigns to it.
    case active
    /// The collector is registered, but the program has not been seen to select its sockets.
    case unverified
    /// The collector's process has ended, and another process keeps its sockets for the next one: the kernel
    /// queues what comes for them.
    case queueing
    /// The collector reads nothing, and its exporters are at their next ranks. Its sockets stay in the slot.
    case stalled
    /// The collector keeps its sessions, and receives no new exporters.
    case draining
    /// The collector is absent; its exporters are held for the time that is left.
    case holding(left: Duration)
    /// The hold is over; its exporters are at their next ranks.
    case failed

    /// - Parameters:
    ///   - registrations: number of the slot's registrations.
    ///   - downFor: time since the slot is vacant; nil: it isn't.
    ///   - isFilled: the slot is registered, and none of its sockets is gone.
    ///   - isDraining: the collector drains.
    ///   - isKept: the process has ended, and another one keeps the sockets.
    ///   - isSetAside: the collector reads nothing, and its exporters were given to others.
    ///   - isProven: the program has selected a socket of this registration in each group.
    public init(
        registrations: UInt64, downFor: Duration?, hold: Duration, isFilled: Bool, isDraining: Bool = false,
        isKept: Bool = false, isSetAside: Bool = false, isProven: Bool = true
    ) {
        switch downFor {
        case .some where isFilled && isSetAside && !isKept: self = .stalled
        case .some(let time) where time < hold: self = .holding(left: hold - time)
        case .some where registrations == 0: self = .absent
        case .some: self = .failed
        case nil where isFilled && isKept: self = .queueing
        case nil where isFilled: self = isDraining ? .draining : isProven ? .active : .unverified
        case nil where registrations == 0: self = .empty
        // A socket is gone, and no run has come across it yet.
        case nil: self = .holding(left: hold)
        }
    }

    public var name: String {
        switch self {
        case .empty, .absent: "empty"
        case .active: "active"
        case .unverified: "unverified"
        case .queueing: "queueing"
        case .stalled: "stalled"
        case .draining: "draining"
        case .holding: "holding"
        case .failed: "failed"
        }
    }

    /// All values of `name`.
    public static let names = [
        "active", "draining", "empty", "failed", "holding", "queueing", "stalled", "unverified",
    ]

    /// What a slot does for a run.
    public enum Standing: Equatable, Sendable {
        /// The slot receives its runs.
        case usable
        /// The slot's runs are dropped: its exporters are held.
        case held
        /// The next rank receives the slot's runs.
        case away
    }

    public var standing: Standing {
        switch self {
        case .active, .unverified, .queueing, .draining: .usable
        case .empty, .holding: .held
        case .failed, .absent, .stalled: .away
        }
    }
}

/// Whether each slot is usable, held or away for a run: the program's view of all slots
/// at one moment.
public struct SlotAvailability: Equatable, Sendable {
    private struct Entry: Equatable {
        var standing = SlotState.Standing.away
        /// The slot had a collector once.
        var wasFilled = false
        /// The slot drains, and therefore receives no exporters of other slots.
        var isClosed = false
        /// The slot never had a collector, and its exporters aren't held.
        var isStranger = false

        var isStandIn: Bool { wasFilled && !isClosed && standing == .usable }
    }

    private var entries = [Entry](repeating: Entry(), count: SlotAllocation.capacity)
    /// The slots that can stand in: a bit each, 64 slots a word. Asked for each row whose ranks are
    /// all away, and these may be all rows.
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
        self[entry: slot] = Entry(
            standing: state.standing, wasFilled: wasFilled, isClosed: isClosed, isStranger: state == .absent)
    }

    private subscript(entry slot: Slot) -> Entry {
        get { entries[Int(slot.index)] }
        set {
            entries[Int(slot.index)] = newValue
            let (word, bit) = (Int(slot.index) / 64, UInt64(1) << UInt64(slot.index % 64))
            if newValue.isStandIn { standIns[word] |= bit } else { standIns[word] &= ~bit }
        }
    }

    public subscript(slot: Slot) -> SlotState.Standing { self[entry: slot].standing }

    func isStandIn(_ slot: Slot) -> Bool { self[entry: slot].isStandIn }

    /// A slot is usable and takes exporters of other slots.
    public var hasStandIn: Bool { standIns.contains { $0 != 0 } }

    public func isStranger(_ slot: Slot) -> Bool { self[entry: slot].isStranger }

    /// The same, if the slot's collector were there.
    public func making(usable slot: Slot) -> SlotAvailability {
        var other = self
        other[entry: slot] = Entry(standing: .usable, wasFilled: true, isClosed: self[entry: slot].isClosed)
        return other
    }

    /// The same, if these slots were closed, and no others.
    public func closing(_ slots: Set<Slot>) -> SlotAvailability {
        var other = self
        for slot in (0..<UInt16(SlotAllocation.capacity)).map(Slot.init) {
            other[entry: slot].isClosed = slots.contains(slot)
        }
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
