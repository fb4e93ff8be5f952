import PoolModel

/// Sockets of collectors whose process has ended, while another process keeps them open for the next one
/// (systemd's socket activation, a broker): they stay in their slots for the restart hold, in which the kernel
/// queues what comes for them. A slot is given up when that time is over and nobody has registered.
final class KeptSockets {
    private let pool: ActivePool
    /// When each slot is given up, and whose end began that.
    private var ends: [Slot: (time: ContinuousClock.Instant, owner: ProcessIdentity)] = [:]

    init(_ pool: ActivePool) { self.pool = pool }

    private var deployment: Deployment { pool.deployment }

    /// When the next slot is given up.
    var deadline: ContinuousClock.Instant? { ends.values.map(\.time).min() }

    /// The slot's process has ended: its sockets stay, if another process keeps all of them.
    ///
    /// - Returns: that process, and whether this is new; nil: the sockets are lost, or left to a child.
    func keep(_ slot: Slot, now: ContinuousClock.Instant) throws(KernelError) -> (keeper: ProcessIdentity, isNew: Bool)?
    {
        guard case .queueing = try deployment.state(of: slot),
            let tenant = pool.maps.tenants.tenant(of: slot), let owner = tenant.owner, let keeper = tenant.keeper,
            keeper.isAlive
        else {
            ends[slot] = nil
            return nil
        }
        let isNew = ends[slot]?.owner != owner
        if isNew { ends[slot] = (now + deployment.configuration.restartHold, owner) }
        return (keeper, isNew)
    }

    /// Slots whose time is over, each once. Those that have a process again are forgotten.
    func expired(now: ContinuousClock.Instant) throws(KernelError) -> [Slot] {
        var expired: [Slot] = []
        for (slot, end) in ends {
            guard case .queueing = try deployment.state(of: slot) else {
                ends[slot] = nil
                continue
            }
            if end.time <= now { expired.append(slot) }
        }
        for slot in expired { ends[slot] = nil }
        return expired.sorted()
    }
}
