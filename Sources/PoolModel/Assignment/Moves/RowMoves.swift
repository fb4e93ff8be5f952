/// How rows change to their target without splitting a device's streams. The kernel
/// can't move an established session. A row that would send the session's exporter to
/// another collector keeps the exporter where it is, and waits.
///
/// A waiting row has the slot of its exporters' sessions as its first rank, followed by
/// the target ranks, which apply if that collector ends.
public struct RowMoves: Equatable, Sendable {
    /// Rows to write now, by index.
    public private(set) var writes: [Int: BucketRow] = [:]
    /// Targets of the waiting rows, by index.
    public private(set) var waiting: [Int: BucketRow] = [:]

    public init() {}

    /// One row.
    ///
    /// - Parameters:
    ///   - present: the present row, or the row that its exporters come from; nil: a new row.
    ///   - before: the present availability of the slots.
    ///   - after: their availability when the row is in force.
    ///   - follows: the row moves only when its sessions have ended.
    public mutating func add(
        _ index: Int, from present: BucketRow?, to desired: BucketRow, _ before: SlotAvailability,
        _ after: SlotAvailability,
        follows: Bool
    ) {
        guard follows, let present, let slot = before.deliverer(of: present, at: index), before[slot] == .usable,
            after.deliverer(of: desired, at: index) != slot
        else {
            if present != desired { writes[index] = desired }
            return
        }
        hold(index, at: slot, desired)
    }

    /// The row of an exporter that has a session at the slot.
    public mutating func hold(_ index: Int, at slot: Slot, _ desired: BucketRow) {
        writes[index] = desired.putting(first: slot)
        waiting[index] = desired
    }

    /// A row that moves only because a slot becomes available or unavailable:
    /// it stays where it is for now.
    ///
    /// - Parameter desired: the target, if the row waits already.
    public mutating func addKept(
        _ index: Int, present: BucketRow, desired: BucketRow?, _ before: SlotAvailability, _ after: SlotAvailability
    ) {
        guard let now = before.deliverer(of: present, at: index), before[now] == .usable,
            after.deliverer(of: present, at: index) != now
        else { return }
        hold(index, at: now, desired ?? present)
    }
}

/// Whether a waiting row may move, as far as its slots decide.
public enum RowWait: Equatable, Sendable {
    /// At once: no exporter changes its collector.
    case over
    /// When its exporters have no session at the slot any more.
    case sessions(at: Slot)
    /// Not yet: the target collector is absent, so the exporters stay where they are.
    case owner

    /// - Parameter closed: draining slots: they keep a row only while no other
    ///   collector could receive it.
    public init(
        _ index: Int, present: BucketRow, desired: BucketRow, _ availability: SlotAvailability, closed: Set<Slot>
    ) {
        let next = availability.deliverer(of: desired, at: index)
        guard let slot = present.owner, availability[slot] == .usable, next != slot else {
            self = .over
            return
        }
        let isOwnerNew = desired.owner.map(availability.isStranger) ?? false
        let isNextAway = next.map { availability[$0] != .usable } ?? true
        self = isNextAway || isOwnerNew && !closed.contains(slot) ? .owner : .sessions(at: slot)
    }
}
