import PoolModel

/// Slots of collectors that read nothing: their exporters are at other collectors, and their sockets stay in the
/// slot. Until the collector reads again, no registration of the same sockets by the same process fills such a slot:
/// whoever keeps a collector registered doesn't know that it reads nothing.
final class SetAsideSlots {
    private let pool: ActivePool
    private let prover: SelectionProver
    private let rows: RowScheduler
    private let releaser: RowReleaser

    init(_ pool: ActivePool, _ prover: SelectionProver, _ rows: RowScheduler, _ releaser: RowReleaser) {
        (self.pool, self.prover, self.rows, self.releaser) = (pool, prover, rows, releaser)
    }

    func contains(_ slot: Slot) -> Bool { pool.maps.tenants.tenant(of: slot)?.isSetAside == true }

    func add(_ slot: Slot) throws(KernelError) {
        // First of all: the next agent completes what is marked.
        _ = try mark(slot, true)
        pool.maps.slots.markAbandoned(slot)
        pool.noteChange()
        try releaser.release()
    }

    /// The collector reads again: its exporters return. Of no effect on a slot that isn't set aside any more.
    func bringBack(_ slot: Slot) throws(KernelError) {
        guard try mark(slot, false), try !pool.deployment.sockets(of: slot).isEmpty else { return }
        try rows.prepareReturn(of: slot)
        pool.maps.slots.markFilled(slot)
        try prover.settle(slot)
        pool.noteChange()
        try releaser.release()
    }

    /// - Returns: false: the slot has no collector, or is marked so already.
    private func mark(_ slot: Slot, _ isSetAside: Bool) throws(KernelError) -> Bool {
        guard var tenant = pool.maps.tenants.tenant(of: slot), tenant.isSetAside != isSetAside else { return false }
        tenant.isSetAside = isSetAside
        try pool.maps.tenants.set(tenant, at: slot)
        return true
    }
}
