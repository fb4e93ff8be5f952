import CBPFShim

/// Emptying a collector without tearing anything: nothing new comes to it, and what
/// it has ends by itself.
extension DataPlane {
    /// Gives the collector nothing new. Exporters without a session there go to
    /// their next rank at once, the others when it has ended.
    ///
    /// - Parameter limit: after that long the others go too; nil: never.
    /// - Returns: false if it was draining already; a new limit counts.
    public func drain(_ collector: String, limit: Duration?) throws(Failure) -> Bool {
        let deadline = limit.map { rpa_monotonic_ns() + UInt64($0 / .nanoseconds(1)) }
        return try setDrain(Tenant.Drain(deadline: deadline), of: collector, act: "drain \(collector)")
    }

    /// The collector gets what the table gives it. Exporters with a session
    /// elsewhere come when it has ended.
    ///
    /// - Returns: false if it wasn't draining.
    public func undrain(_ collector: String) throws(Failure) -> Bool {
        try setDrain(nil, of: collector, act: "undrain \(collector)")
    }

    /// What a draining collector still has.
    public func progress(ofDraining collector: String) throws(Failure) -> DrainProgress {
        let act = "drain \(collector)"
        let slot = try checked(collector, act: act)
        do {
            var progress = DrainProgress()
            progress.rows = waiting.keys.count { generation.row(at: $0).owner == slot }
            progress.sessions = try liveSessions().count { $0.slot == slot }
            let isOver = try tenants.tenant(of: slot)?.drain?.deadline.map { $0 <= rpa_monotonic_ns() } ?? false
            progress.isOverdue = isOver
            let queued = try queues(of: Set(cookies(of: slot)))
            progress.queuedBytes = queued.queuedBytes
            progress.queuedConnections = queued.queuedConnections
            return progress
        } catch {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        }
    }

    /// What waits to be read or accepted in these sockets of the pool's groups, by
    /// SO_COOKIE. Those that are closed have nothing.
    public func queues(of cookies: Set<UInt64>, act: String) throws(Failure) -> DrainProgress {
        do {
            return try queues(of: cookies)
        } catch {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        }
    }

    private func queues(of cookies: Set<UInt64>) throws(KernelError) -> DrainProgress {
        var progress = DrainProgress()
        for group in groups {
            for member in try SocketDump.members(of: group.group.transport, port: group.group.port)
            where cookies.contains(member.cookie) {
                switch member.transport {
                case .udp: progress.queuedBytes += member.queued
                case .tcp: progress.queuedConnections += member.queued
                }
            }
        }
        return progress
    }

    /// Moves what is left in slots whose time to drain is over, and frees departed
    /// collectors' slots that are empty.
    ///
    /// - Returns: CLOCK_MONOTONIC in ns of the next deadline.
    public func finishDrains(act: String) throws(Failure) -> UInt64? {
        do {
            var next: UInt64?
            for (slot, tenant) in try tenants.all() {
                guard let deadline = tenant.drain?.deadline else { continue }
                if deadline <= rpa_monotonic_ns() {
                    try release(leaving: slot)
                } else {
                    next = min(next ?? deadline, deadline)
                }
            }
            try freeEmptied()
            return next
        } catch {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        }
    }

    private func setDrain(_ drain: Tenant.Drain?, of collector: String, act: String) throws(Failure) -> Bool {
        let slot = try checked(collector, act: act)
        do {
            var tenant = try tenants.tenant(of: slot) ?? Tenant(name: collector)
            let changed = (tenant.drain == nil) != (drain == nil)
            tenant.drain = drain
            try tenants.set(tenant, at: slot)
            slots.setClosed(slot, drain != nil)
            if changed { try move(to: try desired(for: Contender.all(of: configuration, allocation))) }
            try release()
            return changed
        } catch {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        }
    }

    private func cookies(of slot: Slot) throws(KernelError) -> [UInt64] {
        var cookies: [UInt64] = []
        for group in groups {
            if let cookie = try group.sockets.cookie(at: slot) { cookies.append(cookie) }
        }
        return cookies
    }
}
