import PoolModel

/// Slots of collectors that read nothing: their exporters are at other collectors, and their sockets stay in the
/// slot. Until the collector reads again, no registration of the same sockets fills such a slot: whoever keeps a
/// collector registered doesn't know that it reads nothing.
final class SetAsideSlots {
    private let pool: ActivePool
    private let prover: SelectionProver
    private let rows: RowScheduler
    private let releaser: RowReleaser
    private var slots: Set<Slot> = []

    init(_ pool: ActivePool, _ prover: SelectionProver, _ rows: RowScheduler, _ releaser: RowReleaser) {
        (self.pool, self.prover, self.rows, self.releaser) = (pool, prover, rows, releaser)
    }

    func contains(_ slot: Slot) -> Bool { slots.contains(slot) }

    /// The slot got new sockets.
    func forget(_ slot: Slot) { slots.remove(slot) }

    func add(_ slot: Slot) throws(KernelError) {
        slots.insert(slot)
        pool.maps.slots.markAbandoned(slot)
        pool.noteChange()
        try releaser.release()
    }

    /// The collector reads again: its exporters return. Of no effect on a slot that isn't set aside any more.
    func bringBack(_ slot: Slot) throws(KernelError) {
        guard slots.remove(slot) != nil, try !pool.deployment.sockets(of: slot).isEmpty else { return }
        try rows.prepareReturn(of: slot)
        pool.maps.slots.markFilled(slot)
        try prover.settle(slot)
        pool.noteChange()
        try releaser.release()
    }
}
