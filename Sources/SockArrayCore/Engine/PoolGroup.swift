import CBPFShim
import PoolModel

/// The kernel objects of one group: its sockets, its counters, its programs.
package final class PoolGroup {
    let group: ReuseportGroup
    package let sockets: SocketArray
    /// The group's bit and index in what the groups of the pool share.
    let number: Int
    let traffic: TrafficTable
    private let lossCounts: PinnedArray<rpa_losses>
    private let drops: DropTable
    /// The program of each generation.
    private let programs: Descriptor
    /// The attached program: it calls the program of the generation in force.
    package let dispatcher: Descriptor
    private let canMigrate: Bool
    /// Asked once: it takes loading a program.
    static let kernelMigrates = rpa_probe_migration() == 1
    /// The agent's own socket in the group, and why there is none.
    private(set) var placeholder: Placeholder?
    private(set) var placeholderRefusal: (user: UInt32, error: KernelError)?
    /// The group that this one replaces at a reload had a placeholder, and with it the program.
    let wasKept: Bool

    /// Adopts what is pinned in the folder, and makes and pins what isn't.
    ///
    /// - Parameter registry: gives the group its number.
    init(
        group: ReuseportGroup, pins: PinFolder, settings: borrowing Descriptor, registry: borrowing GroupRegistry,
        wasKept: Bool = false
    ) throws(PoolError) {
        self.group = group
        self.wasKept = wasKept
        canMigrate = group.transport == .tcp && Self.kernelMigrates
        let sockets = try pins.map("sockets", RPA_MAP_SOCKARRAY, valueSize: 8, entries: RPA_SOCKET_ENTRIES)
        number = try registry.number(of: sockets)
        traffic = try TrafficTable(in: pins)
        lossCounts = try PinnedArray("losses", RPA_MAP_PERCPU_ARRAY, in: pins, entries: 1)
        drops = try DropTable(in: pins)
        programs = try pins.map("programs", RPA_MAP_PROGRAMS, valueSize: 4, entries: RPA_GENERATIONS)
        if let adopted = try pins.open("dispatcher") {
            dispatcher = adopted
        } else {
            dispatcher = try SelectionProgram.load(
                program: Self.programNames(canMigrate).dispatcher,
                maps: [("settings", settings.number), ("programs", programs.number)],
                constants: rpa_constants())
            try pins.pin(dispatcher, as: "dispatcher")
        }
        self.sockets = SocketArray(map: sockets)
    }

    /// The configuration's groups, each in its folder of pins.
    ///
    /// - Parameter present: groups that are open; those that have not changed are used again, with
    ///   their placeholders.
    static func all(
        of configuration: PoolConfiguration, _ maps: PoolMaps, reusing present: [PoolGroup] = []
    ) throws(PoolError) -> [PoolGroup] {
        var groups: [PoolGroup] = []
        for group in configuration.groups {
            if let open = present.first(where: { $0.group == group && !$0.blocks(configuration.collectorUser) }) {
                groups.append(open)
                continue
            }
            let pins = maps.folder.subfolder("groups").subfolder(group.pinName)
            try PoolError.wrap { () throws(KernelError) in try pins.make() }
            let former = present.first { $0.group.pinName == group.pinName }
            groups.append(
                try PoolGroup(
                    group: group, pins: pins, settings: maps.settings.map, registry: maps.registry,
                    wasKept: former?.placeholder != nil))
        }
        return groups
    }

    /// Gives the group its program of a generation.
    ///
    /// - Parameter poolMaps: those that all groups share.
    func load(_ generation: Generation, poolMaps: [(name: String, number: Int32)]) throws(PoolError) {
        let program = try generation.program(
            Self.programNames(canMigrate).selection, group: number, isStream: group.transport == .tcp,
            groupMaps: poolMaps + maps)
        try PoolError.wrap { () throws(KernelError) in
            var number = program.number
            try kernel(
                "bpf_map_update_elem programs", rpa_map_update(programs.number, UInt32(generation.parity), &number))
        }
    }

    /// `dispatch` and `select_collector`, or those that migrate connections.
    var programNames: [String] {
        let names = Self.programNames(canMigrate)
        return [names.dispatcher, names.selection]
    }

    private static func programNames(_ canMigrate: Bool) -> (dispatcher: String, selection: String) {
        canMigrate ? ("dispatch_or_migrate", "select_or_migrate") : ("dispatch", "select_collector")
    }

    var maps: [(name: String, number: Int32)] {
        [("sockets", sockets.map.number), ("traffic", traffic.map.number), ("losses", lossCounts.map.number)]
    }

    func hasProgram(ofParity parity: Int) -> Bool {
        var identifier: UInt32 = 0
        return rpa_map_lookup(programs.number, UInt32(parity), &identifier) == 0
    }

    /// Attaches the dispatcher to the group through any member.
    func attach(through member: borrowing Descriptor) throws(KernelError) {
        try kernel(
            "setsockopt SO_ATTACH_REUSEPORT_EBPF", rpa_attach_reuseport(member.number, dispatcher.number))
    }

    /// Keeps the group, with what is attached, also without a collector. Of no
    /// effect if that is done, or can't be.
    ///
    /// A former collector's user doesn't count: the kernel would refuse the sockets of another user
    /// that the collectors have now, or give all traffic to the agent's own.
    ///
    /// - Parameters:
    ///   - configured: the user that its sockets must belong to; nil: that of its registered sockets, or of its
    ///     present ones.
    ///   - registered: SO_COOKIE of its registered sockets.
    ///   - others: users of the pool's collectors in other groups, for a group without sockets.
    func keep(for configured: UInt32?, _ registered: Set<UInt64>, else others: @autoclosure () -> [UInt32]) {
        if hasStalePlaceholder { placeholder = nil }
        let members = users(in: (try? SocketDump.members(of: group.transport, port: group.port)) ?? [], registered)
        let users = configured.map { [$0] } ?? (members.isEmpty ? others() : members)
        if let present = placeholder, !users.isEmpty, !users.contains(present.user) { placeholder = nil }
        var refusal: (user: UInt32, error: KernelError)?
        for user in users {
            guard placeholder?.user != user else {
                placeholderRefusal = nil
                return
            }
            guard let error = keep(for: user) else { return }
            refusal = refusal ?? (user, error)
            // Sockets of another user are there: one of the others, perhaps.
            guard error.errno == KernelError.addressInUse else { break }
        }
        placeholderRefusal = refusal
    }

    var hasStalePlaceholder: Bool { placeholder?.isStale(in: group) ?? false }

    /// Makes the placeholder anew: of IPv4, the kernel then finds it, and with it the group, before all sockets that
    /// are bound already. The group has a placeholder all the time.
    func renewPlaceholder() {
        if let user = placeholder?.user { _ = keep(for: user) }
    }

    /// - Returns: why there is none.
    private func keep(for user: UInt32) -> KernelError? {
        do throws(KernelError) {
            let made = try Placeholder(in: group, user: user)
            try attach(through: made.descriptor)
            _ = made.discardWaiting(of: group.transport)
            placeholder = made
            placeholderRefusal = nil
            return nil
        } catch {
            return error
        }
    }

    /// The placeholder belongs to another user, and sockets of one user alone share a port: as long as
    /// it is open, the user's sockets can't be bound.
    private func blocks(_ user: UInt32?) -> Bool {
        guard let user, let placeholder else { return false }
        return placeholder.user != user
    }

    /// The agent's own socket belongs to a user that no collector has: it receives the traffic of the others.
    func isForeign(among members: [BoundSocket], _ registered: Set<UInt64>) -> Bool {
        guard let placeholder else { return false }
        let users = users(in: members, registered)
        return !users.isEmpty && !users.contains(placeholder.user)
    }

    /// Each user of registered sockets once, or of all if none is registered, without the agent's own; first the one
    /// whose sockets receive the group's traffic.
    private func users(in members: [BoundSocket], _ registered: Set<UInt64>) -> [UInt32] {
        let others = members.filter { group.hasMember($0) && $0.cookie != placeholder?.cookie }
        let ours = others.filter { registered.contains($0.cookie) }
        return (ours.isEmpty ? others : ours).map(\.user).reduce(into: []) { users, user in
            if !users.contains(user) { users.append(user) }
        }
    }
}

/// What the group has counted.
extension PoolGroup {
    /// Since the group was made, over all collectors that had the slot: it never goes back,
    /// whatever agents and collectors come and go.
    func rawTraffic(of slot: Slot) throws(KernelError) -> SlotTraffic { try traffic.raw(of: slot) }

    /// The same of all slots, by index: their sum is the group's.
    func rawTraffic() throws(KernelError) -> [SlotTraffic] { try traffic.raw() }

    /// Since the slot's present name came to it.
    func traffic(of slot: Slot) throws(KernelError) -> SlotTraffic {
        // In this order: a base is never more than what is counted after it.
        let base = try traffic.base(of: slot)
        return try traffic.raw(of: slot) - base
    }

    /// What each slot had counted when its present name came to it, by index.
    func baseTraffic() throws(KernelError) -> [SlotTraffic] { try traffic.allBases() }

    /// Drops of the slot's sockets since its present name came to it.
    func totalDrops(of slot: Slot) throws(KernelError) -> UInt64 { try drops.drops(of: slot).total }

    /// - Parameter counts: of sockets by SO_COOKIE: their own, modulo 2^32.
    func count(_ counts: [(cookie: UInt64, drops: UInt32)], at slot: Slot) throws(KernelError) {
        if counts.isEmpty { return }
        let before = try drops.drops(of: slot)
        var after = before
        for (cookie, count) in counts { after.note(count, of: cookie) }
        if after != before { try drops.set(after, of: slot) }
    }

    /// A name is about to come to the slot, which has none: its counts begin at 0.
    func beginCounts(of slot: Slot) throws(KernelError) {
        try traffic.begin(slot)
        if try drops.drops(of: slot) != SocketDrops() { try drops.set(SocketDrops(), of: slot) }
    }

    func losses() throws(KernelError) -> GroupLosses {
        try lossCounts.values(at: 0).reduce(into: GroupLosses()) { sum, cpu in
            sum.held += cpu.held
            sum.noCollector += cpu.no_collector
            sum.badPacket += cpu.bad_packet
            sum.probes += cpu.probes
            sum.bytes += cpu.bytes
        }
    }

    func probeCounts() throws(KernelError) -> ProbeCounts {
        ProbeCounts(
            cpus: try lossCounts.values(at: 0).map { ($0.probes, ProbeAnswer(word: $0.probe_result, count: $0.probes)) }
        )
    }
}

extension ReuseportGroup {
    /// The name of the group's folder of pins. It identifies the group. (bpffs allows no dots.)
    package var pinName: String {
        let bound = "\(address)".map { $0 == "." || $0 == ":" ? "_" : String($0) }.joined()
        return "\(transport.rawValue)-\(port)-\(bound)\(ipv6Only ? "-ipv6_only" : "")"
            + (interface.map { "-on-\(Self.escaped($0))" } ?? "")
    }

    /// An interface's name may have any character but `/`, `:` and white space.
    private static func escaped(_ name: String) -> String {
        name.utf8.map { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "_"):
                String(UnicodeScalar(byte))
            default: "=" + String(byte, radix: 16)
            }
        }.joined()
    }
}

/// Takes single groups of a pool out of the kernel.
enum GroupRemoval {
    /// Detaches the program and removes the pins. If no socket of the group can be reached, the
    /// dispatcher stays attached without a program to call, and the kernel chooses the socket.
    ///
    /// - Parameter names: of folders of pins.
    static func remove(_ names: [String], in pool: PinFolder) throws(KernelError) {
        guard !names.isEmpty else { return }
        _ = detach(names, in: pool)
        for name in names { try pool.subfolder("groups").subfolder(name).remove() }
    }

    /// Takes a program away that is of no generation any more, before its parity
    /// comes into force again.
    static func forgetPrograms(ofParity parity: Int, of names: [String], in pool: PinFolder) {
        for name in names {
            guard let programs = try? pool.subfolder("groups").subfolder(name).open("programs") else { continue }
            rpa_map_delete(programs.number, UInt32(parity))
        }
    }

    /// Through sockets borrowed from the owners that the pool knows.
    ///
    /// - Returns: groups with live sockets, none of which could be reached.
    static func detach(_ names: [String], in pool: PinFolder) -> [String] {
        let groups = pool.subfolder("groups")
        var cookies: [String: Set<UInt64>] = [:]
        for name in names {
            guard let map = try? groups.subfolder(name).open("sockets") else { continue }
            guard let found = try? SocketArray(map: map).cookies(), !found.isEmpty else { continue }
            cookies[name] = Set(found.values)
        }
        for owner in owners(in: pool) {
            let sought = Set(cookies.values.joined())
            guard let process = try? OtherProcess(pid: owner.pid),
                let sockets = try? process.sockets(borrowing: { sought.contains($0.cookie) })
            else { continue }
            for socket in sockets.borrowed {
                for (name, members) in cookies where members.contains(socket.offer.socket.cookie) {
                    if rpa_detach_reuseport(socket.descriptor.number) >= 0 { cookies[name] = nil }
                }
            }
        }
        return cookies.keys.sorted()
    }

    private static func owners(in pool: PinFolder) -> [ProcessIdentity] {
        guard (try? pool.open("tenants")) != nil, let tenants = try? TenantTable(in: pool).all() else {
            return []
        }
        return tenants.values.compactMap(\.owner).filter(\.isAlive)
    }
}
