import PoolModel

/// Gives collectors their slots.
enum SlotNaming {
    /// Marks the slots of departed collectors and names those of new ones, all or none: what was
    /// written is taken back when the kernel refuses a part. No row names a new slot before.
    ///
    /// - Returns: the slots that have a new name.
    static func stage(for deployment: Deployment, isRunning: Bool) throws(KernelError) -> [Slot] {
        let tenants = deployment.maps.tenants.all()
        do throws(KernelError) {
            try markDepartures(in: deployment)
            return try name(deployment.collectorsWithFreeSlots, in: deployment, isRunning: isRunning)
        } catch {
            let touched = Set(deployment.allocation.slotOfName.values).union(deployment.allocation.freed)
            for slot in touched where deployment.maps.tenants.tenant(of: slot) != tenants[slot] {
                try? deployment.maps.tenants.set(tenants[slot], at: slot)
            }
            throw error
        }
    }

    /// In a pool that runs, exporters do not wait for a new collector: until it registers, they stay
    /// with the collector that had them.
    ///
    /// - Returns: the slots that have a new name.
    static func name(
        _ collectors: [WeightedCollector], in deployment: Deployment, isRunning: Bool
    ) throws(KernelError) -> [Slot] {
        let maps = deployment.maps
        var named: [Slot] = []
        for collector in collectors where maps.tenants.tenant(of: collector.slot)?.name != collector.name {
            if isRunning { maps.slots.markAbandoned(collector.slot) }
            // Before the name: when this agent is killed in between, the next one begins again.
            for group in deployment.groups { try group.beginCounts(of: collector.slot) }
            try maps.tenants.set(Tenant(name: collector.name), at: collector.slot)
            named.append(collector.slot)
        }
        return named
    }

    /// The slots of collectors that left the configuration drain; a collector that is back keeps its
    /// slot.
    private static func markDepartures(in deployment: Deployment) throws(KernelError) {
        let (allocation, maps) = (deployment.allocation, deployment.maps)
        func set(_ drain: Tenant.Drain?, at slot: Slot, if present: (Tenant.Drain?) -> Bool) throws(KernelError) {
            guard var tenant = maps.tenants.tenant(of: slot), present(tenant.drain) else { return }
            tenant.drain = drain
            try maps.tenants.set(tenant, at: slot)
        }
        for slot in allocation.freed { try set(.departed, at: slot) { $0 != .departed } }
        // Not those that have an heir.
        for slot in Set(allocation.slotOfName.values).subtracting(allocation.freed) {
            try set(nil, at: slot) { $0 == .departed }
        }
    }
}
