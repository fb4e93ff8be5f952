import PoolModel

/// Compares the groups as they should be with the groups as they are, and attaches the program again
/// where it is gone.
final class GroupAuditor {
    private let pool: ActivePool
    private let sockets: SlotSockets
    private let prover: SelectionProver
    private let memberships: MulticastMemberships
    private let resetter: SessionResetter
    private let registrar: Registrar
    /// Index of the group that is probed first: the one for which the last audit had no time.
    private var firstGroup = 0

    /// After so many probes without an answer, 8 ms each, the other groups are probed by the next
    /// audit: commands and rows wait meanwhile.
    private static let unansweredLimit = 3

    init(
        _ pool: ActivePool, _ sockets: SlotSockets, _ prover: SelectionProver, _ memberships: MulticastMemberships,
        _ resetter: SessionResetter, _ registrar: Registrar
    ) {
        (self.pool, self.sockets, self.prover) = (pool, sockets, prover)
        (self.memberships, self.resetter, self.registrar) = (memberships, resetter, registrar)
    }

    private var deployment: Deployment { pool.deployment }

    func audit() throws(KernelError) -> AuditFacts {
        let groups = deployment.groups
        let slots = auditedSlots
        var unanswered = 0
        var facts: [Int: AuditFacts.Group] = [:]
        var next: Int?
        for step in groups.indices {
            let index = (firstGroup + step) % groups.count
            facts[index] = try self.facts(of: groups[index], slots, unanswered: &unanswered)
            if facts[index]!.probe == .skipped, next == nil { next = index }
        }
        firstGroup = next ?? 0
        var result = AuditFacts(groups: groups.indices.map { facts[$0]! }, resetRefusal: resetter.refusal)
        for slot in slots { try prover.settle(slot) }
        let present = Set(result.groups.flatMap { $0.entries.compactMap(\.present) })
        prover.forget(except: present)
        memberships.forget(except: present)
        if !result.groups.contains(where: { $0.probe == .skipped }) {
            sockets.forgetTakenOut(except: Set(result.groups.flatMap { $0.strangers.map(\.cookie) }))
        }
        result.replaced = sockets.takenOut
        for (slot, predecessor) in registrar.predecessors {
            for cookie in predecessor.cookies { result.replaced[cookie] = deployment.name(of: slot) }
        }
        return result
    }

    private func facts(of group: PoolGroup, _ slots: [Slot], unanswered: inout Int) throws(KernelError)
        -> AuditFacts.Group
    {
        var facts = AuditFacts.Group(
            // The reason for which there was no placeholder may be gone.
            group.group, sockets: try deployment.members(atPortOf: group),
            placeholder: group.placeholder?.cookie,
            placeholderRefusal: group.placeholderRefusal.map { .init(user: $0.user, errno: $0.error.errno) })
        try sockets.countDrops(in: group, facts.sockets)
        let users = Set(facts.sockets.filter(group.group.hasMember).map(\.user))
        let shares = users.count > 1 ? deployment.shares() : [:]
        var present: [(slot: Slot, cookie: UInt64)] = []
        for slot in slots {
            let entry = AuditFacts.Entry(
                collector: deployment.name(of: slot), registered: sockets.registered[group.group, slot],
                present: try group.sockets.cookie(at: slot), share: shares[slot] ?? 0)
            if entry.registered != nil || entry.present != nil { facts.entries.append(entry) }
            if let cookie = entry.present { present.append((slot, cookie)) }
        }
        facts.multicast = present.compactMap { slot, cookie in
            let addresses = memberships.addresses(of: cookie)
            return addresses.isEmpty ? nil : .init(collector: deployment.name(of: slot), addresses: addresses)
        }
        let starved = Set(facts.starved.compactMap(\.present))
        for (slot, cookie) in present where starved.contains(cookie) { try prover.withdraw(cookie, at: slot) }
        facts.isClaimed = try deployment.isClaimed(group)
        if facts.placeholder == nil, present.isEmpty {
            facts.probe = .empty
        } else if facts.isOvershadowed {
            // A collector of another user would read the probe.
            facts.probe = .overshadowed
        } else if unanswered >= Self.unansweredLimit {
            facts.probe = .skipped
        } else {
            let (result, answers) = try group.probe(
                asking: prover.slotsToAsk(in: group, present), among: facts.sockets, pool.maps.settings,
                deployment.table.hash, unanswered: &unanswered
            ) { attachAgain(group, slots) }
            facts.probe = result
            facts.unselectable = try prover.note(answers, in: group, present)
                .map { .init(collector: deployment.name(of: $0), slot: $0, errno: $1) }
            _ = group.placeholder?.discardWaiting(of: group.group.transport)
        }
        return facts
    }

    /// The slots of the configuration, and those that had a collector once.
    private var auditedSlots: [Slot] {
        let named = Set(deployment.allocation.slotOfName.values)
        return (0..<UInt16(SlotAllocation.capacity)).map(Slot.init).filter {
            pool.maps.slots[$0].registrationNumber != 0 || named.contains($0)
        }
    }

    /// - Returns: false: no socket of the group could be reached.
    private func attachAgain(_ group: PoolGroup, _ slots: [Slot]) -> Bool {
        if let placeholder = group.placeholder, (try? group.attach(through: placeholder.descriptor)) != nil {
            return true
        }
        for slot in slots {
            guard let cookie = (try? group.sockets.cookie(at: slot)) ?? nil,
                let owner = pool.maps.tenants.tenant(of: slot)?.owner, owner.isAlive,
                let process = try? OtherProcess(pid: owner.pid),
                let socket = (try? process.firstSocket(of: [cookie])) ?? nil
            else { continue }
            if (try? group.attach(through: socket.descriptor)) != nil { return true }
        }
        return false
    }
}
