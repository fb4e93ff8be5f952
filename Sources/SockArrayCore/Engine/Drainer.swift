import PoolModel

/// Drains a collector: it gets no new exporters, and those without a session leave it. Nothing that
/// it has is cut off.
struct Drainer {
    let pool: ActivePool
    let sessions: SessionIndex
    let rows: RowScheduler
    let releaser: RowReleaser

    /// - Parameter drain: nil: the collector gets its exporters back.
    /// - Returns: false if it was so already.
    func set(_ drain: Tenant.Drain?, of slot: Slot, name: String, act: String) throws(KernelError) -> Bool {
        let deployment = pool.deployment
        var tenant = pool.maps.tenants.tenant(of: slot) ?? Tenant(name: name)
        let changed = (tenant.drain == nil) != (drain == nil)
        tenant.drain = drain
        let before = try deployment.availability()
        try pool.maps.tenants.set(tenant, at: slot)
        rows.move(to: deployment.rows(for: deployment.collectors), before)
        pool.attemptLater(act) { () throws(KernelError) in try releaser.release() }
        return changed
    }

    /// What the slot's collector still has.
    func progress(of slot: Slot) throws(KernelError) -> DrainProgress {
        let deployment = pool.deployment
        var progress = try queues(of: Set(deployment.sockets(of: slot).map(\.cookie)))
        progress.rows = rows.rowsLeaving(slot)
        progress.setSessions(try keepingSessions(of: slot))
        let (availability, closed) = (try deployment.availability(), deployment.closedSlots())
        progress.takers = deployment.allocation.slotOfName.values.count {
            $0 != slot && availability[$0] == .usable && !closed.contains($0)
        }
        return progress
    }

    /// Sessions that keep exporters at the slot: its own, and those that began before the program was attached, of
    /// exporters whose row the slot is to lose (`RowReleaser` waits for these, too).
    private func keepingSessions(of slot: Slot) throws(KernelError) -> [DrainProgress.Session] {
        let table = pool.deployment.table
        return try sessions.live(withCourse: true).filter { session in
            if let known = session.slot { return known == slot }
            return table.row(of: session.connection.peer).map { rows.isLeaving(slot, row: $0) } ?? false
        }.map { session in
            DrainProgress.Session(
                peer: "\(session.connection.peer.unmapped)", peerPort: session.connection.peerPort,
                group: session.group.name, silentFor: (session.connection.course?.silence ?? .zero) / .seconds(1))
        }
    }

    /// What waits to be read or accepted in these sockets of the pool's groups and their
    /// connections, by SO_COOKIE. Closed sockets have nothing.
    func queues(of cookies: Set<UInt64>) throws(KernelError) -> DrainProgress {
        var progress = DrainProgress()
        for group in pool.deployment.groups {
            for member in try SocketDump.members(of: group.group.transport, port: group.group.port)
            where cookies.contains(member.cookie) {
                switch member.transport {
                case .udp: progress.queuedBytes += member.queued
                case .tcp: progress.queuedConnections += member.queued
                }
            }
        }
        for port in pool.deployment.groups.streamPorts {
            for session in try TCPSession.all(onPort: port) where cookies.contains(session.cookie) {
                progress.queuedBytes += session.queued
            }
        }
        return progress
    }
}
