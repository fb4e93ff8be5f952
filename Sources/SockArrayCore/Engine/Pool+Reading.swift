import PoolModel

/// What can be read of a pool. Reading changes nothing that a program or another reading depends on.
extension Pool {
    var deployment: Deployment { engine.active.deployment }

    func attempt<Result>(_ act: String, _ body: () throws(KernelError) -> Result) throws(Failure) -> Result {
        try engine.active.attempt(act, body)
    }

    // MARK: - The configuration in force

    public var configuration: PoolConfiguration { deployment.configuration }
    public var table: AssignmentTable { deployment.table }
    /// The pins that the agent was given beside those of the configuration.
    public var pins: [Pin] { deployment.pins }
    package var groups: [PoolGroup] { deployment.groups }
    /// Directory names of groups that the pool had and the configuration has not.
    public var departedGroups: [String] { transaction.departedGroups }
    /// Names that the pool had and the configuration has not.
    public var departedCollectors: [String] { deployment.allocation.departed }
    /// Changes with each registration, its undoing and each reload.
    public var revision: Int { engine.active.revision }
    /// Changes whenever rows are written.
    public var rowWrites: UInt64 { engine.active.maps.settings.rowWrites }
    /// Why the last change that is in force could not be completed; `releaseRows` tries it again.
    public var interruption: Failure? { engine.active.interruption }
    /// `releaseRows` should be called now and then.
    public var isWaiting: Bool {
        !engine.rows.waiting.isEmpty || interruption != nil || engine.misplaced.mayExist
    }
    /// For poll(2): a readable one says that a group's program is gone, or that somebody sent a
    /// broadcast. The next audit empties them.
    public var placeholderNumbers: [Int32] { groups.compactMap { $0.placeholder?.descriptor.number } }

    // MARK: - Status

    /// Before it, the drops that the kernel counts for the present sockets are stored: a count that was
    /// shown must not decrease when the socket or the agent ends.
    public func snapshot() throws(Failure) -> PoolSnapshot {
        try attempt("read the status of pool \(configuration.pool)") { () throws(KernelError) in
            var members: [[BoundSocket]] = []
            for group in groups {
                members.append(try SocketDump.members(of: group.group.transport, port: group.group.port))
                try engine.sockets.countDrops(in: group, members.last!)
            }
            return try SnapshotReader(deployment: deployment, drainer: engine.drainer, holds: engine.registration.holds)
                .read(members, tracking: engine.exporters.status())
        }
    }

    /// The rows of the table, with the collectors that own them.
    public func rowSnapshot(act: String? = nil) throws(Failure) -> RowSnapshot {
        let availability = try attempt(
            act ?? "read the rows of pool \(configuration.pool)", deployment.availability)
        let generation = deployment.generation
        return RowSnapshot(
            configuration, rows: (0..<table.tableSize).map(generation.row), waiting: engine.rows.waiting, availability,
            collectors: deployment.collectorsAndSlots().map { ($0.0.name, $0.1) })
    }

    public func explain(_ addresses: [IPAddress]) throws(Failure) -> [Explanation] {
        let availability = try attempt("explain", deployment.availability)
        let slotOfName = deployment.allocation.slotOfName
        return addresses.map { address in
            guard let place = table.place(of: address) else {
                return Explanation(
                    address: address, assignment: table.assignment, collectors: slotOfName.keys.sorted(),
                    isAnyActive: slotOfName.values.contains { availability[$0] == .usable })
            }
            return Explanation(
                address: address, place: place, row: deployment.generation.row(at: place.row),
                desired: engine.rows.waiting[place.row], availability, name: deployment.name)
        }
    }

    public func explain(_ address: IPAddress) throws(Failure) -> Explanation { try explain([address])[0] }

    /// Each collector of the configuration, as events compare it.
    public func moments(act: String) throws(Failure) -> [CollectorMoment] {
        try attempt(act) { () throws(KernelError) in
            var moments: [CollectorMoment] = []
            for collector in deployment.collectors {
                let slot = collector.slot
                moments.append(
                    .init(
                        name: collector.name, registrations: engine.active.maps.slots[slot].registrationNumber,
                        state: try deployment.state(of: slot)))
            }
            return moments
        }
    }

    /// What decides whether traffic that arrives now is delivered.
    public func deliveryFacts(act: String) throws(Failure) -> DeliveryFacts {
        try attempt(act, DeliveryReader(deployment: deployment, holds: engine.registration.holds).read)
    }

    /// Rows that come to a present collector when sessions elsewhere have ended.
    public func rowsWaitingForSessions(act: String) throws(Failure) -> Int {
        let availability = try attempt(act, deployment.availability)
        return engine.rows.waiting.values.count { $0.owner.map { availability[$0] == .usable } ?? false }
    }

    // MARK: - Collectors

    /// The collector's slot.
    ///
    /// - Throws: `.conflict` for a name that the configuration has not.
    @discardableResult
    public func checked(_ collector: String, act: String) throws(Failure) -> Slot {
        if let slot = deployment.allocation[collector] { return slot }
        throw .unknownCollector(pool: configuration.pool, names: configuration.collectors.map(\.name), act: act)
    }

    /// The collectors of the configuration, then those that left it and still have a slot.
    public var collectorNames: [String] {
        let configured = configuration.collectors.map(\.name)
        return configured
            + Set(engine.active.maps.tenants.all().values.map(\.name)).subtracting(configured).sorted()
    }

    /// Nil: no collector has the slot any more.
    public func collector(at slot: Slot) -> String? { deployment.collector(at: slot) }

    public func name(of slot: Slot) -> String { deployment.name(of: slot) }

    /// Slots that the name has: more than one while it changes its slot.
    public func slots(of collector: String) -> Set<Slot> { deployment.slots(of: collector) }

    /// The processes that own the registered sockets, as far as they are known.
    public var owners: [Slot: ProcessIdentity] { engine.active.maps.tenants.all().compactMapValues(\.owner) }

    /// SO_COOKIE of every registered socket, and its slot.
    public func registeredSockets(act: String) throws(Failure) -> [UInt64: Slot] {
        try attempt(act, deployment.registeredSockets)
    }

    /// Members of the pool's groups that have no slot and are not the agent's own.
    public func strangers(act: String) throws(Failure) -> [BoundSocket] { try attempt(act, engine.sockets.strangers) }

    /// The socket's collector has ended, or lost its slot; a child may still have the socket.
    public func isOrphan(_ socket: SocketFacts) -> Bool { engine.active.maps.orphans.contains(socket.cookie) }

    /// The collector was unregistered, and is the same process still.
    public func isDismissed(_ collector: String, _ owner: ProcessIdentity?, act: String) throws(Failure) -> Bool {
        let slot = try checked(collector, act: act)
        guard let tenant = engine.active.maps.tenants.tenant(of: slot) else { return false }
        return tenant.isDismissed && tenant.owner == owner
    }

    /// Configured collectors that are not there.
    public func awayCollectors(act: String) throws(Failure) -> Set<String> {
        let availability = try attempt(act, deployment.availability)
        return Set(deployment.allocation.slotOfName.filter { availability[$0.value] != .usable }.keys)
    }

    /// The collectors in whose queues of a group something waits, without those that nobody can read now.
    public func queueReadings(act: String) throws(Failure) -> [StallDetector.Reading] {
        try attempt(act) { () throws(KernelError) in
            let slots = try deployment.registeredSockets()
            var readings: [StallDetector.Reading] = []
            for group in deployment.groups {
                let members = try SocketDump.members(of: group.group.transport, port: group.group.port)
                for (slot, sockets) in Dictionary(grouping: members, by: { slots[$0.cookie] }) {
                    let queued = sockets.reduce(0) { $0 + $1.queued }
                    guard let slot, queued > 0, try deployment.state(of: slot) != .queueing else { continue }
                    readings.append(
                        .init(
                            collector: deployment.name(of: slot), group: group.group.name,
                            cookie: sockets.map(\.cookie).min()!, transport: group.group.transport, queued: queued,
                            drops: UInt32(truncatingIfNeeded: sockets.reduce(0) { $0 &+ $1.drops }),
                            traffic: try group.rawTraffic(of: slot),
                            cpuTicks: engine.active.maps.tenants.tenant(of: slot)?.owner
                                .flatMap { ProcessFacts.cpuTicks(of: $0) }))
                }
            }
            return readings
        }
    }

    /// The collector has sockets in its slot.
    public func isRegistered(_ collector: String, act: String) throws(Failure) -> Bool {
        guard let slot = deployment.allocation[collector] else { return false }
        return try attempt(act) { () throws(KernelError) in try !deployment.sockets(of: slot).isEmpty }
    }

    /// Configured collectors whose process has ended, while another process keeps their sockets.
    public func queueingCollectors(act: String) throws(Failure) -> Set<String> {
        Set(try moments(act: act).filter { $0.state == .queueing }.map(\.name))
    }

    /// The process that was registered in place of this one, and lives.
    public func successor(of process: ProcessIdentity, _ collector: String, act: String) throws(Failure)
        -> ProcessIdentity?
    {
        let slot = try checked(collector, act: act)
        guard let tenant = engine.active.maps.tenants.tenant(of: slot), tenant.former == process,
            let owner = tenant.owner, owner.isAlive
        else { return nil }
        return owner
    }

    /// Collectors that read nothing, and whose exporters were given to others.
    public var collectorsSetAside: Set<String> {
        Set(engine.active.maps.tenants.all().values.filter(\.isSetAside).map(\.name))
    }

    /// The processes of collectors that are not usable although the process lives, have sockets to bind anew, and
    /// were not unregistered. A process that has several collectors is left out.
    public func livingOwnersOfAwayCollectors(act: String) throws(Failure) -> [String: ProcessIdentity] {
        try livingOwners(of: try awayCollectors(act: act), act: act)
    }

    func livingOwners(of names: Set<String>, act: String) throws(Failure) -> [String: ProcessIdentity] {
        if names.isEmpty { return [:] }
        let tenants = engine.active.maps.tenants.all()
        return try attempt(act) { () throws(KernelError) in
            var owners: [String: ProcessIdentity] = [:]
            for (slot, tenant) in tenants {
                guard names.contains(tenant.name), !tenant.isDismissed, let owner = tenant.owner, owner.isAlive,
                    tenants.values.count(where: { $0.owner == owner }) == 1, try deployment.state(of: slot) != .stalled
                else { continue }
                owners[tenant.name] = owner
            }
            return owners
        }
    }

    /// Configured collectors that do not get what the table gives them, sorted.
    public func unusableCollectors(act: String) throws(Failure) -> [String] {
        try moments(act: act).filter { $0.state != .active }.map(\.name).sorted()
    }

    /// Slots whose collectors have lost a socket that was not noted yet.
    public func lostSlots(act: String) throws(Failure) -> [Slot] { try attempt(act, engine.losses.lostSlots) }

    /// The slot's exporters are dropped until its collector is back, or its hold ends.
    public func isHeld(_ slot: Slot, act: String) throws(Failure) -> Bool {
        try attempt(act, deployment.availability)[slot] == .held
    }

    /// What a draining collector still has.
    public func progress(ofDraining collector: String) throws(Failure) -> DrainProgress {
        let act = "drain \(collector)"
        let slot = try checked(collector, act: act)
        return try attempt(act) { () throws(KernelError) in try engine.drainer.progress(of: slot) }
    }

    /// What waits to be read or accepted in these sockets, by SO_COOKIE. Closed sockets have nothing.
    public func queues(of cookies: Set<UInt64>, act: String) throws(Failure) -> DrainProgress {
        try attempt(act) { () throws(KernelError) in try engine.drainer.queues(of: cookies) }
    }

    /// A session has ended for which a row may wait.
    public func isAwaited(_ socket: ClosedSocket) -> Bool {
        socket.peerPort != 0 && table.row(of: socket.peer).map { engine.rows.waiting[$0] != nil } ?? false
    }

    // MARK: - Exporters and traffic

    /// The program's reports of exporters.
    public var exporterEvents: ExporterEvents { engine.active.maps.exporterEvents }

    /// In no order; none without tracking. While exporters come and go, an address may occur twice.
    public func seenExporters(act: String) throws(Failure) -> [TrackedExporter] {
        try readTrackedExporters(act: act).tracked
    }

    /// The same, and the traffic of all exporters that are not tracked.
    public func readTrackedExporters(
        act: String
    ) throws(Failure) -> (tracked: [TrackedExporter], untracked: ExporterTraffic) {
        try attempt(act, engine.exporters.read)
    }

    /// As dashboards see them, in no order.
    public func exporterRecords(act: String) throws(Failure) -> [ExporterRecord] {
        let clock = BootClock.now()
        return try seenExporters(act: act).map { seen in
            ExporterRecord(
                address: seen.address, slot: seen.slot, firstSeen: clock.unixTime(of: seen.firstSeen),
                lastSeen: clock.unixTime(of: seen.lastSeen), udp: seen.udp, tcp: seen.tcp)
        }
    }

    public func tracking(act: String) throws(Failure) -> TrackingStatus { try attempt(act, engine.exporters.status) }

    /// The least time between two reports of an exporter, as it is now.
    public var samplingInterval: Duration { engine.exporters.interval }

    /// By the peer's address, for at most as many exporters as the pool tracks.
    public func bmpSessions(act: String) throws(Failure) -> [IPAddress: BMPSessions] {
        try attempt(act) { () throws(KernelError) in try engine.sessions.courses(in: deployment) }
    }

    /// Bytes by collector and group, for usage events.
    ///
    /// - Parameter places: indices by source that were read before: they are read again, whichever
    ///   collector has them now.
    public func usageReading(places: [UInt32: Set<UInt32>], act: String) throws(Failure) -> UsageReading {
        try attempt(act) { () throws(KernelError) in try engine.traffic.usageReading(places: places) }
    }

    /// Runs of all groups since they were made.
    public func totalRuns(act: String) throws(Failure) -> UInt64 { try attempt(act, engine.traffic.totalRuns) }
}
