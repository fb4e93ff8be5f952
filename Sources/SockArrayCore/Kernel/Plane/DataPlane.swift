import CBPFShim
import Glibc

/// A pool in the kernel: the one place that writes its maps.
///
/// The maps and programs are pinned below the configuration's bpffs folder, and
/// work without this object. Making it adopts what is there and repairs only
/// what differs from the configuration. One process at a time has a pool.
public final class DataPlane {
    public let configuration: PoolConfiguration
    public let table: AssignmentTable
    /// The agent's own pins, as they were given.
    public let pins: [Pin]
    /// Folder names of groups that the pool had and the configuration doesn't:
    /// they are the kernel's own again.
    public let departedGroups: [String]
    /// Names that the pool had and the configuration doesn't.
    public var departedCollectors: [String] { allocation.departed }
    let allocation: SlotAllocation
    package let groups: [GroupPlane]
    let tenants: TenantTable
    let sightings: SightingTable
    let sessions: SessionTable
    let slots: SlotTable
    let settings: PoolSettings
    let generation: Generation
    private let registry: GroupRegistry
    private let folder: PinFolder
    private let lock: PoolLock
    /// Rows that are not yet what they are to be: for each, that.
    var waiting: [Int: BucketRow] = [:]
    /// Rows that wait, or did: how many SYNs they had counted when all runs of these
    /// had ended.
    var settledSyns: [Int: UInt64] = [:]
    /// Tenancies that `noteLoss` has ended, by slot.
    var notedLosses: [Slot: UInt64]
    /// SO_COOKIE of sockets that their collectors had when they ended: who has them
    /// now has inherited them.
    var orphans: Set<UInt64>
    var audit = AuditState()
    /// Counts registrations and what undid them.
    public internal(set) var revision = 0
    /// The pool ran, and not all of its rows were those of the configuration.
    public private(set) var hasChangedRows = false

    /// - Parameters:
    ///   - pins: exporters' pins beside those of the configuration.
    ///   - reshuffle: another assignment, seed or table size may be applied, although
    ///     it moves most exporters.
    ///   - predecessor: the same pool with the configuration before; of no use after it.
    public init(
        adopting configuration: PoolConfiguration, pins: [Pin] = [], reshuffle: Bool = false,
        replacing predecessor: DataPlane? = nil
    ) throws(Failure) {
        let act = predecessor == nil ? "run pool \(configuration.pool)" : "reload pool \(configuration.pool)"
        folder = PinFolder(path: "\(configuration.bpffs)/\(configuration.pool)")
        self.configuration = configuration
        self.pins = pins
        table = AssignmentTable(configuration, pins: pins)
        notedLosses = predecessor?.notedLosses ?? [:]
        orphans = predecessor?.orphans ?? []
        if let predecessor {
            lock = predecessor.lock
        } else {
            try BPFFileSystem.prepare(configuration.bpffs, act: act)
            lock = try PoolLock(folder, pool: configuration.pool, act: act)
        }
        do {
            settings = try PoolSettings(in: folder)
            try settings.checkLayout(pool: configuration.pool, act: act)
            let number = settings.generation
            let present = number == 0 ? nil : settings[shapeOf: Int(number & 1)]
            if let present, !reshuffle {
                try table.shape.checkKeepsAssignment(of: present, isRunning: predecessor != nil, act: act)
            }
            slots = try SlotTable(in: folder)
            tenants = try TenantTable(in: folder)
            sightings = try SightingTable(in: folder)
            sessions = try SessionTable(in: folder)
            registry = try GroupRegistry(in: folder)
            var groups: [GroupPlane] = []
            for group in configuration.groups {
                let pins = folder.subfolder("groups").subfolder(group.pinName)
                try pins.make()
                groups.append(
                    try GroupPlane(group: group, pins: pins, settings: settings.map, registry: registry))
            }
            self.groups = groups
            allocation = SlotAllocation(
                names: configuration.collectors.map(\.name), present: tenants.all().mapValues(\.name))
            let pinNames = Set(configuration.groups.map(\.pinName))
            departedGroups = folder.subfolder("groups").names().filter { !pinNames.contains($0) }
            generation = try Self.generation(number, present, table, in: folder)
            // A program that an agent of another version loaded isn't ours.
            try applyAssignment(over: number, present, trustsPrograms: predecessor != nil)
            // What stays is removed by the next adoption.
            try? removeDepartedGroups()
            // In a pool that never had a collector the groups are the kernel's own.
            if configuration.collectorUser != nil || !collectorUsers.isEmpty || predecessor?.isKept == true {
                keepGroups()
            }
            if predecessor == nil { try finishInterruptedRegistrations() }
            audit.registered = try registeredCookies(known: predecessor?.audit.registered)
            settings.layoutVersion = UInt64(RPA_LAYOUT_VERSION)
        } catch let error as PlaneError {
            throw error.failure(act: act, pool: configuration.pool)
        } catch let error as KernelError {
            throw PlaneError.call(error).failure(act: act, pool: configuration.pool)
        } catch let failure as Failure {
            throw failure
        } catch {
            fatalError("unreachable: all errors above are typed")
        }
    }

    // MARK: - Applying a table

    /// The one in force, if it fits, or a new one beside it.
    private static func generation(
        _ number: UInt64, _ present: GenerationShape?, _ table: AssignmentTable, in folder: PinFolder
    ) throws(PlaneError) -> Generation {
        if present == table.shape {
            return try Generation(adopting: table, number: number, in: folder)
        }
        return try Generation(making: table, number: number + 1, in: folder)
    }

    /// First all that may fail, while nothing of it is in force: the programs. Then
    /// names of new collectors, the rows, and last the slots that no row names any
    /// more: at no moment does a row name a slot that isn't its collector's. Heirs of
    /// a slot come when no row names it for the collector before.
    private func applyAssignment(over number: UInt64, _ present: GenerationShape?, trustsPrograms: Bool) throws {
        let isNew = generation.number != number
        let isRunning = number != 0
        if isNew { GroupRemoval.forgetPrograms(ofParity: generation.parity, of: departedGroups, in: folder) }
        for group in groups where isNew || !trustsPrograms || !group.hasProgram(ofParity: generation.parity) {
            try group.load(generation, poolMaps: poolMaps)
        }
        let all = Contender.all(of: configuration, allocation)
        let first = all.filter { !allocation.heirs.contains($0.name) }
        settings.setHold(configuration.restartHold)
        try markDepartures()
        try nameSlots(first, isRunning: isRunning)
        let desired = try self.desired(for: first)
        if isNew {
            try putInForce(desired, over: present.map { ($0, number) })
            hasChangedRows = isRunning
        } else {
            hasChangedRows = try move(to: desired) > 0
        }
        try release(leavingFreed: !allocation.heirs.isEmpty)
        try freeEmptied()
        guard !allocation.heirs.isEmpty else { return }
        try nameSlots(all, isRunning: true)
        try move(to: try self.desired(for: all))
        try release()
    }

    /// The new generation: its rows are written, then it is in force by one store.
    private func putInForce(_ desired: [BucketRow], over present: (shape: GenerationShape, number: UInt64)?) throws {
        var old: MappedArray?
        // A bucket of the same number is the same bucket.
        var comparable = 0
        if let present, table.assignment.hasAffinity, table.shape.keepsAssignment(of: present.shape) {
            old = try Generation.rows(ofNumber: present.number, count: Int(present.shape.rowCount), in: folder)
            comparable = table.tableSize
        }
        let standings = try self.standings()
        var moves = RowMoves()
        if let old {
            for (index, row) in desired.prefix(comparable).enumerated() {
                moves.add(index, from: BucketRow(word: old[index]), to: row, standings, follows: follows)
            }
        }
        if present != nil, follows {
            for session in try liveSessions() {
                guard let slot = session.slot, standings[slot] == .usable, moves.waiting[session.row] == nil,
                    standings.deliverer(of: desired[session.row], at: session.row) != slot
                else { continue }
                moves.hold(session.row, at: slot, desired[session.row])
            }
        }
        // Also ends the writing that an agent before was killed in.
        settings.writingRows {
            _ = generation.write(desired.enumerated().lazy.map { ($0.offset, moves.writes[$0.offset] ?? $0.element) })
        }
        waiting = moves.waiting
        settings[shapeOf: generation.parity] = table.shape
        settings.generation = generation.number
    }

    /// Until every run that may have seen the rows before has ended.
    func waitForRuns() {
        // Where the kernel doesn't offer it: far longer than a run can take.
        if rpa_wait_for_runs() < 0 { usleep(100_000) }
    }

    /// The groups live on when their last collector goes.
    func keepGroups() { for group in groups { keep(group) } }

    func keep(_ group: GroupPlane) { group.keep(for: configuration.collectorUser, collectors: collectorUsers) }

    /// Whom the sockets belonged to that have a slot, or had one.
    private var collectorUsers: [UInt32] { tenants.all().values.compactMap(\.user) }

    private var isKept: Bool { groups.contains { $0.placeholder != nil } }

    private var poolMaps: [(name: String, number: Int32)] {
        [
            ("slots", slots.map.number), ("settings", settings.map.number), ("sightings", sightings.map.number),
            ("group_sockets", registry.map.number), ("sessions", sessions.map.number),
        ]
    }

    /// In a pool that runs, exporters don't wait for a collector that is new: until
    /// it registers, they stay with who had them before.
    private func nameSlots(_ contenders: [Contender], isRunning: Bool) throws(KernelError) {
        for contender in contenders where tenants.tenant(of: contender.slot)?.name != contender.name {
            if isRunning { slots.markAbandoned(contender.slot) }
            notedLosses[contender.slot] = nil
            try tenants.set(Tenant(name: contender.name), at: contender.slot)
        }
    }

    /// Slots whose names left the configuration are to get empty; one whose name is
    /// back is a collector's like any other.
    private func markDepartures() throws(KernelError) {
        for slot in allocation.freed {
            guard var tenant = tenants.tenant(of: slot) else { continue }
            slots.setClosed(slot, true)
            tenant.drain = .departed
            try tenants.set(tenant, at: slot)
        }
        for slot in allocation.slotOfName.values {
            guard var tenant = tenants.tenant(of: slot), tenant.drain == .departed else { continue }
            tenant.drain = nil
            try tenants.set(tenant, at: slot)
            slots.setClosed(slot, false)
        }
    }

    private func removeDepartedGroups() throws {
        let departed = try registry.keepOnly(Set(groups.map(\.number)))
        let mask = departed.reduce(0) { $0 | UInt64(1) << UInt64($1) }
        if mask != 0 {
            for slot in tenants.all().keys { slots.setGroups(of: slot, slots.groups(of: slot) & ~mask) }
        }
        try GroupRemoval.remove(departedGroups, in: folder)
    }
}

extension ReuseportGroup {
    /// The group's folder of pins: what makes it this group, for bpffs allows no dots.
    var pinName: String {
        let bound = "\(address)".map { $0 == "." || $0 == ":" ? "_" : String($0) }.joined()
        return "\(transport.rawValue)-\(port)-\(bound)\(ipv6Only ? "-ipv6_only" : "")"
    }
}
