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

    /// The slot's collector has this socket in the group from now on.
    func noteRegistered(_ cookie: UInt64, in group: PoolGroup, at slot: Slot) {
        noteMember(slot, of: group)
        registered[group.group, slot] = cookie
    }

    func noteMember(_ slot: Slot, of group: PoolGroup) {
        pool.maps.slots.setGroups(of: slot, pool.maps.slots.groups(of: slot) | 1 << UInt64(group.number))
    }

    /// Takes the slot's sockets out of all groups. Exporters of the slot then fail over or are held,
    /// as the slot's words say.
    func takeOut(_ slot: Slot) throws(KernelError) {
        countDrops(of: slot)
        for (_, cookie) in try deployment.sockets(of: slot) { takenOut[cookie] = deployment.name(of: slot) }
        for group in deployment.groups { try group.sockets.clear(slot) }
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
            for (group, present) in try deployment.sockets(of: slot) {
                cookies[group.group, slot] = registered[group.group, slot] ?? present
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
            guard let cookie = try group.sockets.cookie(at: slot),
                let socket = dropping.first(where: { $0.cookie == cookie })
            else { continue }
            try group.count(UInt32(truncatingIfNeeded: socket.drops), of: cookie, at: slot)
        }
    }

    /// Before the slot's sockets leave. If the kernel does not list them, their drops since the last
    /// audit are not counted.
    func countDrops(of slot: Slot) {
        for group in deployment.groups {
            guard let cookie = try? group.sockets.cookie(at: slot),
                let members = try? SocketDump.members(of: group.group.transport, port: group.group.port),
                let socket = members.first(where: { $0.cookie == cookie })
            else { continue }
            try? group.count(UInt32(truncatingIfNeeded: socket.drops), of: cookie, at: slot)
        }
    }
}
