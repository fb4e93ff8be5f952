import PoolModel

/// A collector is usable as a whole, and alive when its process is. The loss of one socket, or the end
/// of the process, ends its registration in all groups, before the program comes across it.
final class LossTracker {
    private let pool: ActivePool
    private let sockets: SlotSockets
    /// The registrations whose loss was reported, so that each is reported once.
    private var noted: [Slot: UInt64] = [:]

    init(_ pool: ActivePool, _ sockets: SlotSockets) { (self.pool, self.sockets) = (pool, sockets) }

    /// Slots whose collectors have lost a socket that was not noted yet.
    func lostSlots() throws(KernelError) -> [Slot] {
        var lost: [Slot] = []
        for slot in pool.maps.tenants.all().keys.sorted() where try isUnreported(slot, hasEnded: false) {
            lost.append(slot)
        }
        return lost
    }

    /// The slot has a registration whose end was not noted. The program may know of it.
    private func isUnreported(_ slot: Slot, hasEnded: Bool) throws(KernelError) -> Bool {
        let number = pool.maps.slots[slot].registrationNumber
        guard number != 0, noted[slot] != number, !pool.maps.slots.isAbandoned(slot) else { return false }
        if hasEnded { return true }
        // The lost socket may have been replaced meanwhile.
        return try pool.deployment.state(of: slot).standing != .usable
    }

    /// The slot's collector has lost a socket, or has ended: its restart hold starts in all groups.
    /// The sockets of a collector that has ended are taken out, because a child that inherited one
    /// would swallow connections that nobody accepts.
    ///
    /// - Parameter releaser: moves the rows that waited for sessions of the collector.
    /// - Returns: false if this loss was noted before.
    func note(_ slot: Slot, hasEnded: Bool, _ releaser: RowReleaser) throws(KernelError) -> Bool {
        let words = pool.maps.slots[slot]
        let isUnreported = try isUnreported(slot, hasEnded: hasEnded)
        if isUnreported {
            if words.downFor == nil { pool.maps.slots.markDown(slot) }
            pool.noteChange()
        } else if try pool.deployment.hasGap(slot) {
            pool.noteChange()
        }
        if hasEnded {
            try sockets.noteOrphans(of: slot)
            try sockets.takeOut(slot)
        }
        try releaser.release()
        // Not before: what fails above is repeated, and reported then.
        if isUnreported { noted[slot] = words.registrationNumber }
        return isUnreported
    }

    /// Nobody reads the slot's sockets: they are taken out, and its exporters go to others at once.
    func giveUp(_ slot: Slot, _ releaser: RowReleaser) throws(KernelError) {
        pool.maps.slots.markAbandoned(slot)
        try sockets.takeOut(slot)
        // A run that saw the slot whole and then its socket gone has started the hold.
        waitForRuns()
        pool.maps.slots.markAbandoned(slot)
        noted[slot] = pool.maps.slots[slot].registrationNumber
        pool.noteChange()
        try releaser.release()
    }

    /// The slot gets another collector, whose registrations count from 1 again.
    func forget(_ slot: Slot) { noted[slot] = nil }
}
