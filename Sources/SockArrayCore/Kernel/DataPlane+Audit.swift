import CBPFShim

/// What a plane remembers for its audits.
struct AuditState {
    var registered = RegisteredCookies()
    /// Why the last session that was to be ended wasn't (errno).
    var resetRefusal: Int32?
    /// Index of the group that is asked first: where there was no time, the next audit begins.
    var firstGroup = 0
}

/// Comparing what should be with what is.
extension DataPlane {
    /// Waiting for groups that don't answer their probes takes no longer, in ns, but
    /// for the last one.
    private static let probingLimit: UInt64 = 30_000_000

    /// Looks at all groups, and attaches the program again where it is gone.
    public func auditFacts(act: String) throws(Failure) -> AuditFacts {
        do {
            let deadline = rpa_monotonic_ns() + Self.probingLimit
            let tenants = self.tenants.all()
            var facts: [Int: AuditFacts.Group] = [:]
            for step in groups.indices {
                let index = (audit.firstGroup + step) % groups.count
                let isLate = rpa_monotonic_ns() >= deadline
                facts[index] = try self.facts(of: groups[index], tenants, isLate: isLate)
                if isLate, facts.values.count(where: { $0.probe == .skipped }) == 1 { audit.firstGroup = index }
            }
            return AuditFacts(groups: groups.indices.map { facts[$0]! }, resetRefusal: audit.resetRefusal)
        } catch {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        }
    }

    /// For poll(2): one that can be read says that a group's program isn't asked, or
    /// that somebody sent a broadcast. The next audit empties them.
    public var placeholderNumbers: [Int32] { groups.compactMap { $0.placeholder?.descriptor.number } }

    /// Runs of all groups since the pool was made.
    public func totalRuns(act: String) throws(Failure) -> UInt64 {
        do {
            var sum: UInt64 = 0
            for group in groups {
                sum += try group.retiredTraffic().runs
                for slot in allocation.slotOfName.values { sum += try group.traffic(of: slot).runs }
                let losses = try group.losses()
                sum += losses.held + losses.noCollector + losses.badPacket
            }
            return sum
        } catch {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        }
    }

    private func facts(of plane: GroupPlane, _ tenants: [Slot: Tenant], isLate: Bool) throws(KernelError)
        -> AuditFacts.Group
    {
        plane.keepIfRefused()
        var facts = AuditFacts.Group(
            plane.group, sockets: try SocketDump.members(of: plane.group.transport, port: plane.group.port),
            placeholder: plane.placeholder?.cookie,
            placeholderRefusal: plane.placeholderRefusal.map { .init(user: $0.user, errno: $0.error.errno) })
        for (slot, tenant) in tenants.sorted(by: { $0.key < $1.key }) {
            let entry = AuditFacts.Entry(
                collector: tenant.name, registered: audit.registered[plane.group, slot],
                present: try plane.sockets.cookie(at: slot))
            if entry.registered != nil || entry.present != nil { facts.entries.append(entry) }
        }
        let isOurs = facts.placeholder != nil || facts.entries.contains { $0.present != nil }
        if !isOurs {
            facts.probe = .empty
        } else if isLate {
            facts.probe = .skipped
        } else {
            facts.probe = try plane.probe(among: facts.sockets, settings, table.hash) {
                attachAgain(plane, tenants)
            }
            _ = plane.placeholder?.discardWaiting(of: plane.group.transport)
        }
        return facts
    }

    private func attachAgain(_ plane: GroupPlane, _ tenants: [Slot: Tenant]) -> Bool {
        if let placeholder = plane.placeholder, (try? plane.attach(through: placeholder.descriptor)) != nil {
            return true
        }
        for (slot, tenant) in tenants {
            guard let cookie = (try? plane.sockets.cookie(at: slot)) ?? nil, let owner = tenant.owner, owner.isAlive,
                let process = try? OtherProcess(pid: owner.pid), let sockets = try? process.internetSockets(),
                let socket = sockets.first(where: { $0.offer.socket.cookie == cookie })
            else { continue }
            if (try? plane.attach(through: socket.descriptor)) != nil { return true }
        }
        return false
    }

    /// What is there counts as registered, but for what is known.
    func registeredCookies(known: RegisteredCookies?) throws(KernelError) -> RegisteredCookies {
        var cookies = RegisteredCookies()
        for slot in tenants.all().keys {
            for plane in groups {
                guard let present = try plane.sockets.cookie(at: slot) else { continue }
                cookies[plane.group, slot] = known?[plane.group, slot] ?? present
            }
        }
        return cookies
    }
}
