/// Emptying a collector without tearing anything: nothing new comes to it, and what
/// it has ends by itself.
extension DataPlane {
    /// Gives the collector nothing new. Exporters without a session there go to
    /// their next rank at once, the others when it has ended.
    ///
    /// - Returns: false if it was draining already.
    public func drain(_ collector: String) throws(Failure) -> Bool {
        try setDrain(.asked, of: collector, act: "drain \(collector)")
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
        return try attempt(act) { () throws(KernelError) in try progress(ofDraining: slot) }
    }

    func progress(ofDraining slot: Slot) throws(KernelError) -> DrainProgress {
        var progress = try queues(of: Set(sockets(of: slot).map(\.cookie)))
        progress.rows = waiting.keys.count { generation.row(at: $0).owner == slot }
        progress.sessions = try liveSessions().count { $0.slot == slot }
        return progress
    }

    /// What waits to be read or accepted in these sockets of the pool's groups, by
    /// SO_COOKIE. Those that are closed have nothing.
    public func queues(of cookies: Set<UInt64>, act: String) throws(Failure) -> DrainProgress {
        try attempt(act) { () throws(KernelError) in try queues(of: cookies) }
    }

    private func queues(of cookies: Set<UInt64>) throws(KernelError) -> DrainProgress {
        var progress = DrainProgress()
        for group in groups {
            let members = try SocketDump.members(of: group.group.transport, port: group.group.port)
            try noteDrops(in: group, members)
            for member in members where cookies.contains(member.cookie) {
                switch member.transport {
                case .udp: progress.queuedBytes += member.queued
                case .tcp: progress.queuedConnections += member.queued
                }
            }
        }
        for port in Self.streamPorts(of: groups) {
            for session in try TCPSession.all(onPort: port) where cookies.contains(session.cookie) {
                progress.queuedBytes += session.queued
            }
        }
        return progress
    }

    private func setDrain(_ drain: Tenant.Drain?, of collector: String, act: String) throws(Failure) -> Bool {
        let slot = try checked(collector, act: act)
        return try attempt(act) { () throws(KernelError) in
            var tenant = tenants.tenant(of: slot) ?? Tenant(name: collector)
            let changed = (tenant.drain == nil) != (drain == nil)
            tenant.drain = drain
            let before = try availability()
            try tenants.set(tenant, at: slot)
            move(to: desired(for: WeightedCollector.all(of: configuration, allocation)), before)
            attemptLater(act) { () throws(KernelError) in try release() }
            return changed
        }
    }
}
