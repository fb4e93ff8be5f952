import PoolModel

/// Makes a pool's snapshot from the maps and the groups' sockets. It changes nothing.
struct SnapshotReader {
    let deployment: Deployment
    let drainer: Drainer
    let holds: HoldExtender

    /// - Parameters:
    ///   - members: the sockets of each group, as they were listed just now.
    ///   - tracking: of the exporters.
    func read(_ members: [[BoundSocket]], tracking: TrackingStatus?) throws(KernelError) -> PoolSnapshot {
        // Each counter is read once, so that a group's count is the sum of its collectors' and of those
        // before them.
        var counts: [[SlotTraffic]] = []
        var memberships: [[Slot: PoolSnapshot.Membership]] = []
        for (group, members) in zip(deployment.groups, members) {
            let traffic = try group.rawTraffic()
            counts.append(traffic)
            memberships.append(try self.memberships(in: group, members, traffic))
        }
        let shares = deployment.shares()
        var collectors: [PoolSnapshot.Collector] = []
        for (collector, slot) in deployment.collectorsAndSlots() {
            let byGroup = zip(deployment.groups, memberships).map { ($0.group.name, $1[slot]!) }
            collectors.append(
                try self.collector(
                    collector, slot, share: shares[slot] ?? 0, Dictionary(uniqueKeysWithValues: byGroup)))
        }
        var groups: [PoolSnapshot.Group] = []
        for (index, group) in deployment.groups.enumerated() {
            let isAttached = group.placeholder != nil || memberships[index].values.contains { $0.isRegistered }
            groups.append(
                try self.group(group, counts[index].reduce(SlotTraffic(), +), isAttached: isAttached))
        }
        return PoolSnapshot(
            configuration: deployment.configuration, tableSize: deployment.table.tableSize, collectors: collectors,
            groups: groups, tracking: tracking,
            delivery: try DeliveryReader(deployment: deployment, holds: holds).read(
                collectors.map(DeliveryFacts.Collector.init)))
    }

    private func collector(
        _ collector: PoolConfiguration.Collector, _ slot: Slot, share: Double,
        _ memberships: [String: PoolSnapshot.Membership]
    ) throws(KernelError) -> PoolSnapshot.Collector {
        let tenant = deployment.maps.tenants.tenant(of: slot)
        let isDraining = tenant?.drain != nil
        let owner = memberships.values.contains { $0.isRegistered } ? tenant?.owner : nil
        var snapshot = PoolSnapshot.Collector(
            collector, slot: slot,
            // By the sockets that the memberships have, so that state and memberships agree.
            state: deployment.state(of: slot) { memberships[$0.group.name]?.isRegistered ?? false },
            hasRegistered: deployment.maps.slots[slot].registrationNumber != 0, isDraining: isDraining, share: share,
            pid: owner.flatMap { $0.isAlive ? $0.pid : nil },
            drain: isDraining ? try drainer.progress(of: slot) : nil, memberships: memberships)
        snapshot.extendedHold = holds.longestHold(of: slot)
        return snapshot
    }

    /// - Parameter counts: of all slots, by index.
    private func memberships(
        in group: PoolGroup, _ members: [BoundSocket], _ counts: [SlotTraffic]
    ) throws(KernelError) -> [Slot: PoolSnapshot.Membership] {
        let socketByCookie = Dictionary(uniqueKeysWithValues: members.map { ($0.cookie, $0) })
        let bases = try group.baseTraffic()
        let isUDP = group.group.transport == .udp
        var memberships: [Slot: PoolSnapshot.Membership] = [:]
        for (_, slot) in deployment.collectorsAndSlots() {
            let index = Int(slot.index)
            let workers = try deployment.sockets(of: slot, in: group).map { entry, cookie in
                let socket = socketByCookie[cookie]
                let queued = socket?.queued ?? 0
                return PoolSnapshot.Worker(
                    number: entry.worker, cookie: cookie, queuedBytes: isUDP ? queued : 0,
                    queuedConnections: isUDP ? nil : queued, drops: socket?.drops ?? 0)
            }
            let traffic = counts[index] - bases[index]
            memberships[slot] = PoolSnapshot.Membership(
                workers, of: group.group.transport, runs: traffic.runs, failedOver: traffic.failedOver,
                bytes: traffic.bytes, drops: try group.totalDrops(of: slot))
        }
        return memberships
    }

    private func group(
        _ group: PoolGroup, _ total: SlotTraffic, isAttached: Bool
    ) throws(KernelError) -> PoolSnapshot.Group {
        let losses = try group.losses()
        return PoolSnapshot.Group(
            name: group.group.name, protocol: group.group.transport.rawValue, address: "\(group.group.address)",
            port: Int(group.group.port), interface: group.group.interface, attached: isAttached,
            outcomes: PoolSnapshot.Outcomes(
                selected: total.selected, failedOver: total.failedOver, held: losses.held,
                noCollector: losses.noCollector, badPacket: losses.badPacket), droppedBytes: losses.bytes)
    }
}
