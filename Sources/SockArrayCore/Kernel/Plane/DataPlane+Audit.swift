import CBPFShim

/// What a plane remembers for its audits.
struct AuditState {
    var registered = RegisteredCookies()
    /// Collectors by the SO_COOKIE of sockets that were taken out, while these are there.
    var takenOut: [UInt64: String] = [:]
    /// Why the last session that was to be ended wasn't (errno).
    var resetRefusal: Int32?
    /// Sessions that were ended, and nobody has told of yet.
    var endedSessions = 0
    /// Index of the group that is asked first: where there was no time, the next audit begins.
    var firstGroup = 0
}

/// Comparing what should be with what is.
extension DataPlane {
    /// After so many probes that were waited for in vain, 8 ms each, the other groups
    /// have their turn next time: commands and rows wait meanwhile.
    private static let unansweredLimit = 3

    /// Looks at all groups, and attaches the program again where it is gone.
    public func auditFacts(act: String) throws(Failure) -> AuditFacts {
        try attempt(act) { () throws(KernelError) in
            var unanswered = 0
            let slots = auditedSlots
            var facts: [Int: AuditFacts.Group] = [:]
            var next: Int?
            for step in groups.indices {
                let index = (audit.firstGroup + step) % groups.count
                facts[index] = try self.facts(of: groups[index], slots, unanswered: &unanswered)
                if facts[index]!.probe == .skipped, next == nil { next = index }
            }
            audit.firstGroup = next ?? 0
            var result = AuditFacts(groups: groups.indices.map { facts[$0]! }, resetRefusal: audit.resetRefusal)
            if !result.groups.contains(where: { $0.probe == .skipped }) {
                let there = Set(result.groups.flatMap { $0.strangers.map(\.cookie) })
                audit.takenOut = audit.takenOut.filter { there.contains($0.key) }
            }
            result.replaced = audit.takenOut
            for (slot, predecessor) in predecessors {
                for cookie in predecessor.cookies { result.replaced[cookie] = name(of: slot) }
            }
            return result
        }
    }

    /// Sessions that `on_move: reset` has ended since the last call.
    public func takeEndedSessions() -> Int {
        defer { audit.endedSessions = 0 }
        return audit.endedSessions
    }

    /// For poll(2): one that can be read says that a group's program isn't asked, or
    /// that somebody sent a broadcast. The next audit empties them.
    public var placeholderNumbers: [Int32] { groups.compactMap { $0.placeholder?.descriptor.number } }

    /// Runs of all groups since they were made.
    public func totalRuns(act: String) throws(Failure) -> UInt64 {
        try attempt(act) { () throws(KernelError) in
            var sum: UInt64 = 0
            for group in groups {
                for traffic in try group.rawTraffic() { sum += traffic.runs }
                let losses = try group.losses()
                sum += losses.held + losses.noCollector + losses.badPacket
            }
            return sum
        }
    }

    private func facts(of plane: GroupPlane, _ slots: [Slot], unanswered: inout Int) throws(KernelError)
        -> AuditFacts.Group
    {
        // What stood in the way may be gone.
        if plane.placeholderRefusal != nil { keep(plane) }
        var facts = AuditFacts.Group(
            plane.group, sockets: try SocketDump.members(of: plane.group.transport, port: plane.group.port),
            placeholder: plane.placeholder?.cookie,
            placeholderRefusal: plane.placeholderRefusal.map { .init(user: $0.user, errno: $0.error.errno) })
        try noteDrops(in: plane, facts.sockets)
        for slot in slots {
            let entry = AuditFacts.Entry(
                collector: name(of: slot), registered: audit.registered[plane.group, slot],
                present: try plane.sockets.cookie(at: slot))
            if entry.registered != nil || entry.present != nil { facts.entries.append(entry) }
        }
        let isOurs = facts.placeholder != nil || facts.entries.contains { $0.present != nil }
        if !isOurs {
            facts.probe = .empty
        } else if unanswered >= Self.unansweredLimit {
            facts.probe = .skipped
        } else {
            facts.probe = try plane.probe(among: facts.sockets, settings, table.hash, unanswered: &unanswered) {
                attachAgain(plane, slots)
            }
            _ = plane.placeholder?.discardWaiting(of: plane.group.transport)
        }
        return facts
    }

    /// Those of the configuration, and those that had a collector once.
    private var auditedSlots: [Slot] {
        let named = Set(allocation.slotOfName.values)
        return (0..<UInt16(SlotAllocation.capacity)).map(Slot.init).filter {
            slots[$0].registrationNumber != 0 || named.contains($0)
        }
    }

    private func attachAgain(_ plane: GroupPlane, _ slots: [Slot]) -> Bool {
        if let placeholder = plane.placeholder, (try? plane.attach(through: placeholder.descriptor)) != nil {
            return true
        }
        for slot in slots {
            guard let cookie = (try? plane.sockets.cookie(at: slot)) ?? nil,
                let owner = tenants.tenant(of: slot)?.owner, owner.isAlive,
                let process = try? OtherProcess(pid: owner.pid),
                let socket = (try? process.firstSocket(of: [cookie])) ?? nil
            else { continue }
            if (try? plane.attach(through: socket.descriptor)) != nil { return true }
        }
        return false
    }

    /// What is there counts as registered, but for what is known.
    func registeredCookies(known: RegisteredCookies?) throws(KernelError) -> RegisteredCookies {
        var cookies = RegisteredCookies()
        for slot in tenants.all().keys {
            for (plane, present) in try sockets(of: slot) {
                cookies[plane.group, slot] = known?[plane.group, slot] ?? present
            }
        }
        return cookies
    }
}
