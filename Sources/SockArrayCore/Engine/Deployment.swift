import CBPFShim
import Glibc
import PoolModel

/// A configuration with the kernel objects that carry it out. A reload makes another deployment and
/// replaces the present one as a whole.
final class Deployment {
    let configuration: PoolConfiguration
    /// Exporters' pins beside those of the configuration.
    let pins: [Pin]
    let table: AssignmentTable
    let allocation: SlotAllocation
    let groups: [PoolGroup]
    let generation: Generation
    /// Nil: the program does not track exporters.
    let trackedExporters: TrackedExporterTable?
    let maps: PoolMaps

    init(
        _ configuration: PoolConfiguration, pins: [Pin], _ table: AssignmentTable, _ allocation: SlotAllocation,
        _ groups: [PoolGroup], _ generation: Generation, _ trackedExporters: TrackedExporterTable?, _ maps: PoolMaps
    ) {
        (self.configuration, self.pins, self.table) = (configuration, pins, table)
        (self.allocation, self.groups, self.generation) = (allocation, groups, generation)
        (self.trackedExporters, self.maps) = (trackedExporters, maps)
    }

    /// The maps that all groups share, by the names that the programs give them.
    var bindings: [(name: String, number: Int32)] { maps.bindings(with: trackedExporters) }

    /// Rows stay with their exporters' sessions.
    var follows: Bool { configuration.onMove != .immediate && table.assignment.hasAffinity }

    /// The collectors of the configuration with their slots.
    var collectors: [WeightedCollector] { WeightedCollector.all(of: configuration, allocation) }

    /// The same without those whose slot another collector has to leave first.
    var collectorsWithFreeSlots: [WeightedCollector] { collectors.filter { !allocation.heirs.contains($0.name) } }

    /// The table's rows for these collectors, without the slots that drain.
    func rows(for collectors: [WeightedCollector]) -> [BucketRow] {
        let closed = Set(collectors.map(\.slot).filter { maps.tenants.tenant(of: $0)?.drain != nil })
        let rows = table.rows(for: collectors)
        return closed.isEmpty ? rows : rows.map { $0.without(closed) }
    }

    /// Keeps the groups when their last collector ends.
    func keepGroups() { for group in groups { keep(group) } }

    /// The agent's own socket brings the program to the group. It therefore doesn't join a group of a
    /// running port before a collector has registered there.
    func keep(_ group: PoolGroup) {
        let isClaimed = (try? isClaimed(group)) ?? false
        guard let sockets = isClaimed ? [] : try? sockets(atPortOf: group),
            GroupClaim.mayJoin(group.group, isClaimed: isClaimed, among: sockets, own: ownCookies)
        else { return }
        let registered = (try? registeredCookies(in: group)) ?? []
        group.keep(for: configuration.collectorUser, registered, else: presentUsers)
    }

    /// The sockets of the group's port. If the agent's own socket is in the way of the others, it is replaced first.
    func members(atPortOf group: PoolGroup) throws(KernelError) -> [BoundSocket] {
        let found = try sockets(atPortOf: group)
        let users = Set(found.filter(group.group.hasMember).map(\.user))
        var isInTheWay = false
        if users.count > 1 { isInTheWay = group.isForeign(among: found, try registeredCookies(in: group)) }
        guard isInTheWay || group.placeholderRefusal != nil || group.hasStalePlaceholder else { return found }
        keep(group)
        return try sockets(atPortOf: group)
    }

    /// SO_COOKIE of the group's registered sockets.
    ///
    /// - Parameter besides: a slot that doesn't count.
    func registeredCookies(in group: PoolGroup, besides: Slot? = nil) throws(KernelError) -> Set<UInt64> {
        var cookies: Set<UInt64> = []
        for slot in maps.tenants.all().keys where slot != besides {
            cookies.formUnion(try sockets(of: slot, in: group).map(\.cookie))
        }
        return cookies
    }

    /// Users (uid) of the collectors that have a socket, in ascending order.
    private var presentUsers: [UInt32] {
        let present = maps.tenants.all().filter { slot, _ in (try? sockets(of: slot))?.isEmpty == false }
        return Set(present.values.compactMap(\.user)).sorted()
    }

    /// Users (uid) that the sockets of present and former collectors belong to.
    var collectorUsers: [UInt32] { maps.tenants.all().values.compactMap(\.user) }

    var hasPlaceholders: Bool { groups.contains { $0.placeholder != nil } }
}

/// Whether the pool has taken a group's traffic over: see `GroupClaim`.
extension Deployment {
    /// The program decides on the group's traffic, or did before this agent.
    func isClaimed(_ group: PoolGroup) throws(KernelError) -> Bool {
        if group.wasKept || group.placeholder != nil { return true }
        if try hadCollector(in: group) { return true }
        return try group.losses().runs > 0
    }

    /// A collector has, or had, a socket in the group.
    func hadCollector(in group: PoolGroup) throws(KernelError) -> Bool {
        if maps.tenants.all().keys.contains(where: { maps.slots.groups(of: $0) >> UInt64(group.number) & 1 == 1 }) {
            return true
        }
        return try group.rawTraffic().contains { $0.runs > 0 }
    }

    /// Sockets of others that would lose traffic to the agent's own socket in the group.
    func losers(to group: PoolGroup) throws(KernelError) -> [BoundSocket] {
        GroupClaim.losers(to: group.group, among: try sockets(atPortOf: group), own: ownCookies)
    }

    private func sockets(atPortOf group: PoolGroup) throws(KernelError) -> [BoundSocket] {
        try SocketDump.members(of: group.group.transport, port: group.group.port)
    }

    /// SO_COOKIE of the agent's own sockets.
    private var ownCookies: Set<UInt64> { Set(groups.compactMap(\.placeholder?.cookie)) }
}

/// The state of slots, as the maps have it now. Reading it changes nothing.
extension Deployment {
    func state(of slot: Slot) throws(KernelError) -> SlotState {
        try state(of: slot) { group throws(KernelError) in try !sockets(of: slot, in: group).isEmpty }
    }

    /// - Parameter hasSocket: the slot has a socket in the group; false: all of them are gone.
    func state<Problem>(
        of slot: Slot, hasSocket: (PoolGroup) throws(Problem) -> Bool
    ) throws(Problem) -> SlotState {
        let (words, members) = (maps.slots[slot], maps.slots.groups(of: slot))
        let tenant = maps.tenants.tenant(of: slot)
        var isFilled = words.registrationNumber != 0
        for group in groups where isFilled && members >> UInt64(group.number) & 1 == 1 {
            isFilled = try hasSocket(group)
        }
        return SlotState(
            registrations: words.registrationNumber, downFor: words.downFor, hold: configuration.restartHold,
            isFilled: isFilled, isDraining: tenant?.drain != nil,
            isKept: tenant?.keeper != nil && tenant?.owner?.isAlive == false, isSetAside: tenant?.isSetAside == true,
            isProven: tenant?.provenRegistration == words.registrationNumber)
    }

    /// The state of every slot that has a name.
    func availability() throws(KernelError) -> SlotAvailability {
        var availability = SlotAvailability()
        for slot in maps.tenants.all().keys {
            availability.set(
                slot, try state(of: slot), wasFilled: maps.slots[slot].registrationNumber != 0,
                isClosed: maps.slots.isClosed(slot))
        }
        return availability
    }

    /// Part of the rows that each slot owns, 0 … 1.
    func shares() -> [Slot: Double] {
        let size = table.tableSize
        var owned: [Slot: Int] = [:]
        for index in 0..<size {
            if let owner = generation.row(at: index).owner { owned[owner, default: 0] += 1 }
        }
        return owned.mapValues { Double($0) / Double(size) }
    }

    /// Slots that drain.
    ///
    /// - Parameter departing: only those whose collectors left the configuration.
    func closedSlots(departing: Bool = false) -> Set<Slot> {
        var closed: Set<Slot> = []
        for (slot, tenant) in maps.tenants.all() {
            guard let drain = tenant.drain, !departing || drain == .departed else { continue }
            closed.insert(slot)
        }
        return closed
    }

    /// The slot's sockets in all groups, with their SO_COOKIE.
    func sockets(of slot: Slot) throws(KernelError) -> [(group: PoolGroup, entry: SocketEntry, cookie: UInt64)] {
        var all: [(PoolGroup, SocketEntry, UInt64)] = []
        for group in groups {
            for (entry, cookie) in try sockets(of: slot, in: group) { all.append((group, entry, cookie)) }
        }
        return all
    }

    /// The slot's sockets in one group, with their SO_COOKIE, the first worker's first.
    func sockets(
        of slot: Slot, in group: PoolGroup
    ) throws(KernelError) -> [(entry: SocketEntry, cookie: UInt64)] {
        var sockets: [(SocketEntry, UInt64)] = []
        for worker in 0..<maps.slots.span(of: slot, in: group.number) {
            let entry = SocketEntry(slot, worker: worker)
            if let cookie = try group.sockets.cookie(at: entry) { sockets.append((entry, cookie)) }
        }
        return sockets
    }

    /// The slot has several sockets in a group, and one of its entries there is empty. A single socket that is left
    /// can't be moved.
    func hasGap(_ slot: Slot) throws(KernelError) -> Bool {
        for group in groups {
            let span = maps.slots.span(of: slot, in: group.number)
            if span > 2, try (2..<span).contains(sockets(of: slot, in: group).count) { return true }
        }
        return false
    }

    /// Which of the slot's sockets in a group receives a run.
    func workers(of slot: Slot) -> WorkerChoice {
        let name = collector(at: slot)
        return configuration.collectors.first { $0.name == name }?.workers ?? .exporter
    }

    /// SO_COOKIE of every registered socket, and its slot.
    func registeredSockets() throws(KernelError) -> [UInt64: Slot] {
        var slots: [UInt64: Slot] = [:]
        for slot in maps.tenants.all().keys {
            for socket in try sockets(of: slot) { slots[socket.cookie] = slot }
        }
        return slots
    }

    /// Sockets that are bound to the pool's groups, whoever has them.
    func members() throws(KernelError) -> [BoundSocket] {
        var members: [BoundSocket] = []
        for group in groups {
            members += try SocketDump.members(of: group.group.transport, port: group.group.port)
                .filter(group.group.hasMember)
        }
        return members
    }

    /// The collector that has the slot, or had it when it left the configuration; nil: none has.
    func collector(at slot: Slot) -> String? {
        allocation.nameOfSlot[slot] ?? maps.tenants.tenant(of: slot)?.name
    }

    func name(of slot: Slot) -> String { collector(at: slot) ?? "slot \(slot.index)" }

    /// Slots that the name has: more than one while it changes its slot.
    func slots(of collector: String) -> Set<Slot> {
        var slots = Set(maps.tenants.all().filter { $0.value.name == collector }.keys)
        if let slot = allocation[collector] { slots.insert(slot) }
        return slots
    }

    /// The slot of a collector that left the configuration and still has it.
    func departedSlot(of collector: String) -> Slot? {
        closedSlots(departing: true).first { maps.tenants.tenant(of: $0)?.name == collector }
    }

    /// The collectors of the configuration, then those that left it and still have a slot.
    func collectorsAndSlots() -> [(PoolConfiguration.Collector, Slot)] {
        var all = configuration.collectors.map { ($0, allocation[$0.name]!) }
        for slot in allocation.freed where !allocation.slotOfName.values.contains(slot) {
            guard let tenant = maps.tenants.tenant(of: slot) else { continue }
            all.append((PoolConfiguration.Collector(name: tenant.name, weight: 0), slot))
        }
        return all
    }
}

/// Waits until every run of a program that may have seen the rows or sockets before has ended.
func waitForRuns() {
    // Where the kernel does not offer membarrier(2): far longer than a run can take.
    if rpa_wait_for_runs() < 0 { usleep(100_000) }
}
