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
    private var load = WorkerLoad()

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
        var present: [(entry: SocketEntry, cookie: UInt64)] = []
        for slot in slots {
            let found = try deployment.sockets(of: slot, in: group)
            let registered = sockets.registered[group.group, slot]
            let cookies = Dictionary(uniqueKeysWithValues: found)
            for entry in Set(registered.keys).union(cookies.keys).sorted() {
                facts.entries.append(
                    AuditFacts.Entry(
                        collector: deployment.name(of: slot), registered: registered[entry], present: cookies[entry],
                        share: shares[slot] ?? 0))
            }
            present += found
        }
        facts.multicast = Dictionary(grouping: present, by: \.entry.slot).sorted { $0.key < $1.key }
            .compactMap { slot, sockets in
                let addresses = sockets.flatMap { memberships.addresses(of: $0.cookie) }
                    .reduce(into: [IPAddress]()) { all, address in
                        if !all.contains(address) { all.append(address) }
                    }
                return addresses.isEmpty ? nil : .init(collector: deployment.name(of: slot), addresses: addresses)
            }
        facts.apart = Set(facts.sockets.compactMap(\.interface)).union([group.group.interface].compactMap(\.self))
            .filter { NetworkInterface.isApart($0, group.group.transport) }
        if let interface = group.group.interface {
            facts.hasInterface = NetworkInterface.exists(interface)
            if facts.isOvertaken, group.group.address.isIPv4 {
                group.renewPlaceholder()
                facts.sockets = try deployment.members(atPortOf: group)
                facts.placeholder = group.placeholder?.cookie
            }
        }
        facts.uneven = uneven(among: facts.sockets, present, in: group)
        let starved = Set(facts.starved.compactMap(\.present))
        for (entry, cookie) in present where starved.contains(cookie) { try prover.withdraw(cookie, at: entry.slot) }
        facts.isClaimed = try deployment.isClaimed(group)
        if facts.placeholder == nil, present.isEmpty {
            facts.probe = .empty
        } else if facts.isOvershadowed {
            // A collector of another user would read the probe.
            facts.probe = .overshadowed
        } else if facts.isOvertaken {
            facts.probe = .overtaken
        } else if unanswered >= Self.unansweredLimit {
            facts.probe = .skipped
        } else {
            let (result, answers) = try group.probe(
                asking: prover.entriesToAsk(in: group, present), among: facts.sockets, pool.maps.settings,
                deployment.table.hash, unanswered: &unanswered
            ) { attachAgain(group, slots) }
            facts.probe = result
            let cookies = Dictionary(uniqueKeysWithValues: present)
            facts.unselectable = try prover.note(answers, in: group, present).sorted { $0.key < $1.key }
                .map { .init(collector: deployment.name(of: $0.slot), cookie: cookies[$0]!, errno: $1) }
            _ = group.placeholder?.discardWaiting(of: group.group.transport)
        }
        return facts
    }

    private func uneven(
        among members: [BoundSocket], _ present: [(entry: SocketEntry, cookie: UInt64)], in group: PoolGroup
    ) -> [AuditFacts.Uneven] {
        let sockets = Dictionary(members.map { ($0.cookie, $0) }) { $1 }
        return Dictionary(grouping: present, by: \.entry.slot).sorted { $0.key < $1.key }.compactMap { slot, present in
            let workers = present.compactMap { sockets[$0.cookie] }.map {
                WorkerLoad.Worker(
                    cookie: $0.cookie, drops: UInt32(truncatingIfNeeded: $0.drops), queued: $0.queued)
            }
            guard load.isUneven(workers, of: slot, in: group.number, at: .now) else { return nil }
            return .init(collector: deployment.name(of: slot), choice: deployment.workers(of: slot))
        }
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
            guard let found = try? deployment.sockets(of: slot, in: group), !found.isEmpty,
                let owner = pool.maps.tenants.tenant(of: slot)?.owner, owner.isAlive,
                let process = try? OtherProcess(pid: owner.pid),
                let socket = (try? process.firstSocket(of: Set(found.map(\.cookie)))) ?? nil
            else { continue }
            if (try? group.attach(through: socket.descriptor)) != nil { return true }
        }
        return false
    }
}
