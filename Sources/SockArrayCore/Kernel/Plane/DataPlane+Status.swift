extension DataPlane {
    /// Reads all of it from the maps and from sock_diag; of that, drops are kept.
    public func status() throws(Failure) -> PoolStatus {
        try attempt("read the status of pool \(configuration.pool)") { () throws(KernelError) in
            var memberships: [[Slot: PoolStatus.Membership]] = []
            // Once, so that a group's count is the sum of its collectors' and of those before them.
            let traffic = try groups.map { plane throws(KernelError) in try plane.rawTraffic() }
            for (plane, counts) in zip(groups, traffic) {
                memberships.append(try self.memberships(in: plane, counts))
            }
            var collectors: [PoolStatus.Collector] = []
            let shares = self.shares()
            for (collector, slot) in collectorsAndSlots() {
                collectors.append(
                    try status(of: collector, slot, share: shares[slot] ?? 0, memberships.map { $0[slot]! }))
            }
            var groups: [PoolStatus.Group] = []
            for (index, plane) in self.groups.enumerated() {
                let isAttached =
                    plane.placeholder != nil || memberships[index].values.contains { $0.cookie != nil }
                let total = traffic[index].reduce(SlotTraffic(), +)
                groups.append(try status(of: plane, total, isAttached: isAttached))
            }
            return PoolStatus(
                pool: configuration.pool, assignment: table.assignment.rawValue,
                tableSize: table.tableSize,
                collectors: collectors, groups: groups, tracking: try exporterTracker.status())
        }
    }

    public func explain(_ addresses: [IPAddress]) throws(Failure) -> [Explanation] {
        let availability = try attempt("explain", availability)
        return addresses.map { address in
            guard let place = table.place(of: address) else {
                return Explanation(
                    address: address, assignment: table.assignment, collectors: allocation.slotOfName.keys.sorted(),
                    isAnyActive: allocation.slotOfName.values.contains { availability[$0] == .usable })
            }
            return Explanation(
                address: address, place: place, row: generation.row(at: place.row), desired: waiting[place.row],
                availability
            ) { [self] in name(of: $0) }
        }
    }

    public func explain(_ address: IPAddress) throws(Failure) -> Explanation { try explain([address])[0] }

    /// Collectors that don't get what the table gives them, by name.
    public func unusableCollectors(act: String) throws(Failure) -> [String] {
        try attempt(act) { () throws(KernelError) in
            var names: [String] = []
            for (name, slot) in allocation.slotOfName {
                if try state(of: slot) != .active { names.append(name) }
            }
            return names.sorted()
        }
    }

    func state(of slot: Slot) throws(KernelError) -> SlotState {
        self.state(of: slot, isWhole: try isWhole(slot))
    }

    private func state(of slot: Slot, isWhole: Bool) -> SlotState {
        let words = slots[slot]
        return SlotState(
            registrations: words.registrationNumber, downFor: words.downFor, hold: configuration.restartHold,
            isFilled: words.registrationNumber != 0 && isWhole, isDraining: tenants.tenant(of: slot)?.drain != nil)
    }

    /// Those of the configuration, and then those that left it and still have something.
    func collectorsAndSlots() -> [(PoolConfiguration.Collector, Slot)] {
        var all = configuration.collectors.map { ($0, allocation[$0.name]!) }
        for slot in allocation.freed where !allocation.slotOfName.values.contains(slot) {
            guard let tenant = tenants.tenant(of: slot) else { continue }
            all.append((PoolConfiguration.Collector(name: tenant.name, weight: 0), slot))
        }
        return all
    }

    /// Its collector has lost none of its sockets.
    func isWhole(_ slot: Slot) throws(KernelError) -> Bool {
        let members = slots.groups(of: slot)
        for plane in groups where members >> UInt64(plane.number) & 1 == 1 {
            if try plane.sockets.cookie(at: slot) == nil { return false }
        }
        return true
    }

    private func status(
        of collector: PoolConfiguration.Collector, _ slot: Slot, share: Double,
        _ memberships: [PoolStatus.Membership]
    ) throws(KernelError) -> PoolStatus.Collector {
        let members = slots.groups(of: slot)
        let isWhole = zip(groups, memberships).allSatisfy { plane, membership in
            members >> UInt64(plane.number) & 1 == 0 || membership.cookie != nil
        }
        let state = self.state(of: slot, isWhole: isWhole)
        let owner = tenants.tenant(of: slot)?.owner
        let isDraining = tenants.tenant(of: slot)?.drain != nil
        var holdLeft: Double?
        if case .holding(let left) = state { holdLeft = left / .seconds(1) }
        return PoolStatus.Collector(
            name: collector.name, slot: Int(slot.index), state: state.name,
            advice: CollectorAdvice.text(
                for: collector, state, hasRegistered: slots[slot].registrationNumber != 0,
                hasAffinity: table.assignment.hasAffinity, isDraining: isDraining),
            holdLeft: holdLeft,
            weight: collector.weight, share: share,
            pid: owner.flatMap { $0.isAlive && memberships.contains { $0.cookie != nil } ? $0.pid : nil },
            drain: isDraining ? try progress(ofDraining: slot) : nil,
            groups: Dictionary(uniqueKeysWithValues: zip(groups.map(\.group.name), memberships)))
    }

    /// - Parameter counts: of all slots, by index.
    private func memberships(
        in plane: GroupPlane, _ counts: [SlotTraffic]
    ) throws(KernelError) -> [Slot: PoolStatus.Membership] {
        let members = try SocketDump.members(of: plane.group.transport, port: plane.group.port)
        try noteDrops(in: plane, members)
        let socketByCookie = Dictionary(uniqueKeysWithValues: members.map { ($0.cookie, $0) })
        let (bases, drops) = (try plane.baseTraffic(), try plane.totalDrops())
        var memberships: [Slot: PoolStatus.Membership] = [:]
        for (_, slot) in collectorsAndSlots() {
            let cookie = try plane.sockets.cookie(at: slot)
            let socket = cookie.flatMap { socketByCookie[$0] }
            let traffic = counts[Int(slot.index)] - bases[Int(slot.index)]
            let isUDP = plane.group.transport == .udp
            memberships[slot] = PoolStatus.Membership(
                cookie: cookie, runs: traffic.runs, failedOver: traffic.failedOver, bytes: traffic.bytes,
                queuedBytes: isUDP ? socket?.queued ?? 0 : 0,
                queuedConnections: isUDP ? nil : socket?.queued ?? 0, drops: drops[Int(slot.index)])
        }
        return memberships
    }

    private func status(
        of plane: GroupPlane, _ total: SlotTraffic, isAttached: Bool
    ) throws(KernelError) -> PoolStatus.Group {
        let losses = try plane.losses()
        return PoolStatus.Group(
            name: plane.group.name, protocol: plane.group.transport.rawValue,
            address: "\(plane.group.address)", port: Int(plane.group.port), attached: isAttached,
            outcomes: PoolStatus.Outcomes(
                selected: total.selected, failedOver: total.failedOver, held: losses.held,
                noCollector: losses.noCollector, badPacket: losses.badPacket), droppedBytes: losses.bytes)
    }

    /// Part of the rows that each slot owns.
    private func shares() -> [Slot: Double] {
        var owned: [Slot: Int] = [:]
        for index in 0..<table.tableSize {
            if let owner = generation.row(at: index).owner { owned[owner, default: 0] += 1 }
        }
        return owned.mapValues { Double($0) / Double(table.tableSize) }
    }
}
