import PoolModel

/// A collector is usable as a whole, and alive when its process is. The loss of one socket, or the end
/// of the process, ends its registration in all groups, before the program comes across it.
final class LossTracker {
    private let pool: ActivePool
    private let sockets: SlotSockets
    private let releaser: RowReleaser
    private let noted: NotedLosses

    init(_ pool: ActivePool, _ sockets: SlotSockets, _ releaser: RowReleaser, _ noted: NotedLosses) {
        (self.pool, self.sockets, self.releaser, self.noted) = (pool, sockets, releaser, noted)
    }

    /// Slots whose collectors have lost a socket that was not noted yet.
    func lostSlots() throws(KernelError) -> [Slot] {
        var lost: [Slot] = []
        for slot in pool.maps.tenants.all().keys.sorted() where isUnreported(slot) {
            switch try pool.deployment.state(of: slot) {
            case .holding, .failed: lost.append(slot)
            case .empty, .absent, .active, .draining: break
            }
        }
        return lost
    }

    /// The slot has a registration whose end was not noted. The program may know of it.
    private func isUnreported(_ slot: Slot) -> Bool {
        let number = pool.maps.slots[slot].registrationNumber
        return number != 0 && !noted.contains(slot, number) && !pool.maps.slots.isAbandoned(slot)
    }

    /// The slot's collector has lost a socket, or has ended: its restart hold starts in all groups.
    /// The sockets of a collector that has ended are taken out, because a child that inherited one
    /// would swallow connections that nobody accepts.
    ///
    /// - Returns: false if this loss was noted before.
    func note(_ slot: Slot, hasEnded: Bool) throws(KernelError) -> Bool {
        let words = pool.maps.slots[slot]
        var isUnreported = self.isUnreported(slot)
        // The lost socket may have been replaced meanwhile.
        if isUnreported, !hasEnded, words.downFor == nil { isUnreported = try !pool.deployment.isWhole(slot) }
        if isUnreported {
            if words.downFor == nil { pool.maps.slots.markDown(slot) }
            pool.noteChange()
        }
        if hasEnded {
            try sockets.noteOrphans(of: slot)
            try sockets.takeOut(slot)
        }
        try releaser.release()
        // Not before: what fails above is repeated, and reported then.
        if isUnreported { noted.note(slot, words.registrationNumber) }
        return isUnreported
    }
}

/// The registrations whose loss was reported, so that each is reported once.
final class NotedLosses {
    private var registrationNumbers: [Slot: UInt64] = [:]

    func contains(_ slot: Slot, _ number: UInt64) -> Bool { registrationNumbers[slot] == number }
    func note(_ slot: Slot, _ number: UInt64) { registrationNumbers[slot] = number }
    /// The slot gets another collector, whose registrations count from 1 again.
    func forget(_ slot: Slot) { registrationNumbers[slot] = nil }
}
