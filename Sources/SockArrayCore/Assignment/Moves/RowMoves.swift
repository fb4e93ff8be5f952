/// How rows get from what they are to what they shall be without tearing a device
/// apart: an established session can't be moved by the kernel, so the rows that
/// would send its exporter elsewhere keep it where it is, and wait.
///
/// A row that waits has the slot that its exporters are with as its first rank,
/// and then the ranks that it is to have: if that collector goes, they apply.
public struct RowMoves: Equatable, Sendable {
    /// Rows to be written now, by index.
    public private(set) var writes: [Int: BucketRow] = [:]
    /// What the rows that wait are to become, by index.
    public private(set) var waiting: [Int: BucketRow] = [:]

    public init() {}

    /// One row.
    ///
    /// - Parameters:
    ///   - present: what it is, or was where its exporters come from; nil: it is new.
    ///   - before: what the slots do now.
    ///   - after: what they do when the row is in force.
    ///   - follows: it moves only when its sessions have ended.
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

    /// A row that slots are about to take over or give away, by what they do alone:
    /// it stays for now where it is.
    ///
    /// - Parameter desired: what the row is to become, if it waits already.
    public mutating func addKept(
        _ index: Int, present: BucketRow, desired: BucketRow?, _ before: SlotAvailability, _ after: SlotAvailability
    ) {
        guard let now = before.deliverer(of: present, at: index), before[now] == .usable,
            after.deliverer(of: present, at: index) != now
        else { return }
        hold(index, at: now, desired ?? present)
    }
}

/// Whether a row that waits may move, as far as its slots tell.
public enum RowWait: Equatable, Sendable {
    /// It moves nobody: at once.
    case over
    /// When its exporters have no session at the slot any more.
    case sessions(at: Slot)
    /// Who is to have it isn't there: they stay with who is.
    case owner

    /// - Parameter closed: slots that are to get empty: they keep a row only as long
    ///   as it would find nobody elsewhere.
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
