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
    private let slots: MappedArray
    private let settings: PoolSettings
    private let folder: PinFolder
    private let lock: PoolLock
    private var generation: Generation
    /// The pool ran, and not all of its rows were those of the configuration.
    public private(set) var hasChangedRows = false
    /// Rows were written for a pool in which some collectors had never been.
    private var hasStandIns = false

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
            slots = try MappedArray.pinned("slots", in: folder, entries: SlotAllocation.capacity, wordsPerEntry: 2)
            tenants = TenantTable(
                map: try folder.map(
                    "tenants", RPA_MAP_ARRAY, valueSize: MemoryLayout<rpa_tenant>.size, entries: RPA_MAX_SLOTS))
            sightings = try SightingTable(in: folder)
            var groups: [GroupPlane] = []
            for group in configuration.groups {
                let pins = folder.subfolder("groups").subfolder(group.pinName)
                try pins.make()
                groups.append(try GroupPlane(group: group, pins: pins, settings: settings.map))
            }
            self.groups = groups
            allocation = SlotAllocation(
                names: configuration.collectors.map(\.name), present: try tenants.all().mapValues(\.name))
            let pinNames = Set(configuration.groups.map(\.pinName))
            departedGroups = folder.subfolder("groups").names().filter { !pinNames.contains($0) }
            generation = try Self.generation(number, present, table, in: folder)
            // A program that an agent of another version loaded isn't ours.
            try applyAssignment(number: number, trustsPrograms: predecessor != nil)
            // What stays is removed by the next adoption.
            try? GroupRemoval.remove(departedGroups, in: folder)
            if predecessor == nil { try finishInterruptedRegistrations() }
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

    // MARK: - The slots' words

    struct SlotWords {
        /// How often the slot was filled.
        let tenancy: UInt64
        /// Since the program found it vacant; nil: it didn't.
        let vacantFor: Duration?
    }

    func words(of slot: Slot) -> SlotWords {
        let tenancy = slots[2 * Int(slot.index)]
        let vacancy = slots[2 * Int(slot.index) + 1]
        guard vacancy != 0, UInt16(truncatingIfNeeded: vacancy) == UInt16(truncatingIfNeeded: tenancy) else {
            return SlotWords(tenancy: tenancy, vacantFor: nil)
        }
        if vacancy >> 16 == UInt64(RPA_LONG_AGO) { return SlotWords(tenancy: tenancy, vacantFor: .seconds(1 << 40)) }
        let ticks = Int64(bitPattern: Self.nowTicks &- vacancy >> 16)
        return SlotWords(
            tenancy: tenancy, vacantFor: .nanoseconds(max(0, ticks) << Int64(RPA_TICK_SHIFT)))
    }

    /// The slot is filled anew: whatever the program noticed before is void.
    func markFilled(_ slot: Slot) { slots[2 * Int(slot.index)] &+= 1 }

    /// Nobody is to wait for the slot: its hold counts as long over.
    func markAbandoned(_ slot: Slot) {
        let tenancy = slots[2 * Int(slot.index)]
        slots[2 * Int(slot.index) + 1] = UInt64(RPA_LONG_AGO) << 16 | tenancy & 0xffff
    }

    /// Of the table, or of a pinned exporter.
    func row(at index: Int) -> BucketRow { BucketRow(word: generation.rows[index]) }

    private static var nowTicks: UInt64 { rpa_monotonic_ns() >> UInt64(RPA_TICK_SHIFT) }

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
    private func applyAssignment(number: UInt64, trustsPrograms: Bool) throws {
        let isNew = generation.number != number
        let isRunning = number != 0
        if isNew { GroupRemoval.forgetPrograms(ofParity: generation.parity, of: departedGroups, in: folder) }
        for group in groups where isNew || !trustsPrograms || !group.hasProgram(ofParity: generation.parity) {
            try group.load(generation, poolMaps: poolMaps)
        }
        let all = Contender.all(of: configuration, allocation)
        let first = all.filter { !allocation.heirs.contains($0.name) }
        settings.setHold(configuration.restartHold)
        try nameSlots(first, isRunning: isRunning)
        let changed = writeRows(for: first, isRunning: isRunning)
        hasChangedRows = isRunning && (isNew || changed > 0)
        if isNew {
            settings[shapeOf: generation.parity] = table.shape
            settings.generation = generation.number
        }
        guard !allocation.freed.isEmpty else { return }
        waitForRuns()
        for slot in allocation.freed { try free(slot) }
        guard !allocation.heirs.isEmpty else { return }
        try nameSlots(all, isRunning: true)
        writeRows(for: all, isRunning: true)
    }

    /// - Returns: how many changed.
    @discardableResult
    private func writeRows(for contenders: [Contender], isRunning: Bool) -> Int {
        let table = rows(for: contenders, isRunning: isRunning)
        guard settings.isWritingRows || !generation.hasAll(of: table) else { return 0 }
        return settings.writingRows { generation.write(table) }
    }

    private func rows(for contenders: [Contender], isRunning: Bool) -> [BucketRow] {
        let absent = isRunning ? contenders.filter { words(of: $0.slot).tenancy == 0 }.map(\.slot) : []
        hasStandIns = !absent.isEmpty && absent.count < contenders.count
        return table.rows(for: contenders, absent: Set(absent))
    }

    /// A collector has come for the first time: who stood in for it is a rank like others.
    func refreshStandIns() {
        guard hasStandIns else { return }
        writeRows(for: Contender.all(of: configuration, allocation), isRunning: true)
    }

    /// Until every run that may have seen the rows before has ended.
    private func waitForRuns() {
        // Where the kernel doesn't offer it: far longer than a run can take.
        if rpa_wait_for_runs() < 0 { usleep(100_000) }
    }

    private var poolMaps: [(name: String, number: Int32)] {
        [("slots", slots.map.number), ("settings", settings.map.number), ("sightings", sightings.map.number)]
    }

    /// In a pool that runs, exporters don't wait for a collector that is new: until
    /// it registers, they stay with its rows' next rank, who had them before.
    private func nameSlots(_ contenders: [Contender], isRunning: Bool) throws(KernelError) {
        for contender in contenders where try tenants.tenant(of: contender.slot)?.name != contender.name {
            if isRunning { markAbandoned(contender.slot) }
            try tenants.set(Tenant(name: contender.name), at: contender.slot)
        }
    }

    /// Makes the slot one that never had a collector. Its counts stay the group's.
    private func free(_ slot: Slot) throws(KernelError) {
        for group in groups {
            try group.clear(slot)
            try group.retireTraffic(of: slot)
        }
        slots[2 * Int(slot.index)] = 0
        slots[2 * Int(slot.index) + 1] = 0
        try tenants.set(nil, at: slot)
    }
}

extension ReuseportGroup {
    /// The group's folder of pins: what makes it this group, for bpffs allows no dots.
    var pinName: String {
        let bound = "\(address)".map { $0 == "." || $0 == ":" ? "_" : String($0) }.joined()
        return "\(transport.rawValue)-\(port)-\(bound)\(ipv6Only ? "-ipv6_only" : "")"
    }
}
