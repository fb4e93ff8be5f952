import PoolModel

/// Reads what decides whether traffic that arrives now is delivered. It changes nothing.
struct DeliveryReader {
    let deployment: Deployment
    let holds: HoldExtender

    func read() throws(KernelError) -> DeliveryFacts {
        var collectors: [DeliveryFacts.Collector] = []
        for (collector, slot) in deployment.collectorsAndSlots() {
            let groups = Set(try deployment.sockets(of: slot).map(\.group.group.name))
            var facts = DeliveryFacts.Collector(
                name: collector.name, state: deployment.state(of: slot) { groups.contains($0.group.name) },
                hasRegistered: deployment.maps.slots[slot].registrationNumber != 0,
                groups: groups)
            facts.extendedHold = holds.longestHold(of: slot)
            collectors.append(facts)
        }
        // Only a drain takes all rows from a collector.
        if collectors.contains(where: { $0.state.standing != .usable }), !deployment.closedSlots().isEmpty {
            let shares = deployment.shares()
            for (index, (_, slot)) in deployment.collectorsAndSlots().enumerated() {
                collectors[index].ownsRows = shares[slot] ?? 0 > 0
            }
        }
        return try read(collectors)
    }

    /// - Parameter collectors: as they were read just now, in the order of `collectorsAndSlots`.
    func read(_ collectors: [DeliveryFacts.Collector]) throws(KernelError) -> DeliveryFacts {
        var facts = DeliveryFacts(collectors: collectors, hasAffinity: deployment.table.assignment.hasAffinity)
        for group in deployment.groups { facts.groups.append(try self.group(group, collectors)) }
        try addLostRows(to: &facts)
        return facts
    }

    private func group(
        _ group: PoolGroup, _ collectors: [DeliveryFacts.Collector]
    ) throws(KernelError) -> DeliveryFacts.Group {
        let hadCollector = try deployment.hadCollector(in: group)
        let isHere = collectors.contains { $0.groups.contains(group.group.name) }
        if isHere { return .init(group.group, hadCollector: hadCollector) }
        if try deployment.isClaimed(group) { return .init(group.group, hadCollector: hadCollector) }
        return .init(
            group.group, isAttached: false, hadCollector: false, otherSockets: try deployment.losers(to: group).count)
    }

    /// If a usable collector takes exporters of other slots, each row has a collector. Otherwise every
    /// row has to be looked at.
    private func addLostRows(to facts: inout DeliveryFacts) throws(KernelError) {
        guard facts.hasAffinity, !facts.usableCollectors.isEmpty,
            facts.collectors.contains(where: { $0.state.standing == .away })
        else { return }
        let availability = try deployment.availability()
        if availability.hasStandIn { return }
        var lost: [Slot: Int] = [:]
        for index in 0..<deployment.table.tableSize {
            let row = deployment.generation.row(at: index)
            guard availability.deliverer(of: row, at: index) == nil else { continue }
            facts.lostRows += 1
            if let owner = row.owner { lost[owner, default: 0] += 1 }
        }
        for (index, (_, slot)) in deployment.collectorsAndSlots().enumerated() {
            facts.collectors[index].lostRows = lost[slot] ?? 0
        }
    }
}
