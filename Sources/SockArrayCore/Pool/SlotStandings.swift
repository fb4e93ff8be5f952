/// What each slot does for a run that comes to it: the program's view of them all
/// at one moment.
public struct SlotStandings: Sendable {
    public enum Standing: Equatable, Sendable {
        /// It gets what comes to it.
        case usable
        /// What comes to it is dropped: its exporters wait for it.
        case held
        /// The next rank's turn.
        case away
    }

    private var standings = [Standing](repeating: .away, count: SlotAllocation.capacity)
    /// Slots that had a collector once.
    private var hosts: Set<Slot> = []
    /// Slots that are to get empty, and so take in no exporters of others.
    private var closed: Set<Slot> = []
    /// Slots that no collector has ever come to, and nobody waits for.
    private var strangers: Set<Slot> = []

    public init() {}

    /// As if every collector were there.
    static func all(_ slots: some Sequence<Slot>) -> SlotStandings {
        var standings = SlotStandings()
        for slot in slots { standings.set(slot, .active, wasFilled: true, isClosed: false) }
        return standings
    }

    /// - Parameter isClosed: it takes in no exporters of others.
    public mutating func set(_ slot: Slot, _ state: SlotState, wasFilled: Bool, isClosed: Bool) {
        standings[Int(slot.index)] =
            switch state {
            case .active, .draining: .usable
            case .empty, .holding: .held
            case .failed, .absent: .away
            }
        if wasFilled { hosts.insert(slot) }
        if isClosed { closed.insert(slot) }
        if state == .absent { strangers.insert(slot) }
    }

    public subscript(slot: Slot) -> Standing { standings[Int(slot.index)] }

    public func isStranger(_ slot: Slot) -> Bool { strangers.contains(slot) }

    /// The same, if the slot's collector were there.
    public func making(usable slot: Slot) -> SlotStandings {
        var other = self
        other.standings[Int(slot.index)] = .usable
        other.strangers.remove(slot)
        other.hosts.insert(slot)
        return other
    }

    /// The same, if other slots were closed.
    public func closing(_ slots: Set<Slot>) -> SlotStandings {
        var other = self
        other.closed = slots
        return other
    }

    /// The slot that a row's exporters are with, or wait for: the first rank that
    /// isn't away, else whoever stands in. Nil: nobody can.
    ///
    /// - Parameter index: the row's.
    public func deliverer(of row: BucketRow, at index: Int) -> Slot? {
        for rank in 0..<BucketRow.capacity {
            guard let slot = row[rank] else { break }
            if self[slot] != .away { return slot }
        }
        return standIn(at: index)
    }

    /// For a row whose ranks are all away.
    func standIn(at index: Int) -> Slot? {
        guard !hosts.isEmpty else { return nil }
        for step in 0..<SlotAllocation.capacity {
            let slot = Slot(UInt16((index + step) % SlotAllocation.capacity))
            if hosts.contains(slot), !closed.contains(slot), self[slot] == .usable { return slot }
        }
        return nil
    }
}
