import PoolModel

/// The sockets in the slots. Whenever a socket leaves its slot, its drops are counted first, and its
/// SO_COOKIE is kept: an audit can name the collector that had it, and a child that inherited it is
/// not taken for a new collector.
final class SlotSockets {
    private let pool: ActivePool
    /// The sockets that were registered.
    private(set) var registered = RegisteredCookies()
    /// Collectors by the SO_COOKIE of sockets that left their slot and are not closed yet.
    private(set) var takenOut: [UInt64: String] = [:]

    init(_ pool: ActivePool) { self.pool = pool }

    private var deployment: Deployment { pool.deployment }

    /// The slot's collector has these sockets in the group from now on.
    func noteRegistered(_ cookies: [SocketEntry: UInt64], in group: PoolGroup, at slot: Slot) {
        noteMember(slot, of: group)
        registered[group.group, slot] = cookies
    }

    func noteMember(_ slot: Slot, of group: PoolGroup) {
        pool.maps.slots.setGroups(of: slot, pool.maps.slots.groups(of: slot) | 1 << UInt64(group.number))
    }

    /// Takes the slot's sockets out of all groups. Exporters of the slot then fail over or are held,
    /// as the slot's words say.
    func takeOut(_ slot: Slot) throws(KernelError) {
        countDrops(of: slot)
        for (group, entry, cookie) in try deployment.sockets(of: slot) {
            takenOut[cookie] = deployment.name(of: slot)
            try group.sockets.clear(entry)
        }
        for group in deployment.groups { pool.maps.slots.setSpan(1, of: slot, in: group.number) }
        registered.forget(slot)
    }

    /// The sockets of a collector that has ended, or is unregistered: a process that has one later
    /// has inherited it.
    func noteOrphans(of slot: Slot) throws(KernelError) {
        try noteOrphans(Set(deployment.sockets(of: slot).map(\.cookie)))
    }

    func noteOrphans(_ cookies: Set<UInt64>) throws(KernelError) {
        if cookies.isEmpty { return }
        pool.maps.orphans.add(cookies, among: try Set(deployment.members().map(\.cookie)))
    }

    func forgetTakenOut(except cookies: Set<UInt64>) { takenOut = takenOut.filter { cookies.contains($0.key) } }

    /// What the sockarrays hold counts as registered, except where a registration is known.
    func followMaps() throws(KernelError) {
        var cookies = RegisteredCookies()
        for slot in pool.maps.tenants.all().keys {
            for (group, entry, present) in try deployment.sockets(of: slot) {
                cookies[group.group, slot][entry] = registered[group.group, slot][entry] ?? present
            }
        }
        registered = cookies
    }

    /// Members of the pool's groups that have no slot and are not the agent's own.
    func strangers() throws(KernelError) -> [BoundSocket] {
        let known = pool.maps.orphans.cookies
            .union(deployment.groups.compactMap(\.placeholder?.cookie))
            .union(try deployment.registeredSockets().keys)
        return try deployment.members().filter { !known.contains($0.cookie) }
    }

    // MARK: - Drops

    /// Drops end with their socket, so they are counted at each audit and before a socket leaves.
    ///
    /// - Parameter members: the group's sockets, as they were listed just now.
    func countDrops(in group: PoolGroup, _ members: [BoundSocket]) throws(KernelError) {
        // Most sockets have none; then the kernel is asked nothing.
        let dropping = members.filter { $0.drops != 0 }
        guard !dropping.isEmpty else { return }
        for slot in pool.maps.tenants.all().keys {
            try count(dropping, of: slot, in: group)
        }
    }

    /// Before the slot's sockets leave. If the kernel does not list them, their drops since the last
    /// audit are not counted.
    func countDrops(of slot: Slot) {
        for group in deployment.groups {
            guard let members = try? SocketDump.members(of: group.group.transport, port: group.group.port)
            else { continue }
            try? count(members.filter { $0.drops != 0 }, of: slot, in: group)
        }
    }

    private func count(_ members: [BoundSocket], of slot: Slot, in group: PoolGroup) throws(KernelError) {
        let cookies = Set(try deployment.sockets(of: slot, in: group).map(\.cookie))
        let counts = members.filter { cookies.contains($0.cookie) }
            .map { ($0.cookie, UInt32(truncatingIfNeeded: $0.drops)) }
        try group.count(counts, at: slot)
    }
}
