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
    /// Directory names of groups that the pool had and the configuration doesn't:
    /// they are the kernel's own again.
    public let departedGroups: [String]
    /// What the programs of these, and of groups before, had counted, and no event has yet.
    var departedTraffic: [DepartedTraffic]
    /// Names that the pool had and the configuration doesn't.
    public var departedCollectors: [String] { allocation.departed }
    let allocation: SlotAllocation
    package let groups: [GroupPlane]
    private let maps: PoolMaps
    let settings: PoolSettings
    let generation: Generation
    let folder: PinFolder
    private let lock: PoolLock
    /// Rows that are not yet what they are to be: for each, that.
    var waiting: [Int: BucketRow] = [:] { didSet { fruitless = nil } }
    /// What the slots did when no row that waits could go, and none had to wait for a
    /// session: until they do something else, none can.
    var fruitless: SlotAvailability?
    /// Rows that wait, or did: how many SYNs they had counted when all runs of these
    /// had ended.
    var settledSyns: [Int: UInt64] = [:]
    /// Who lost its slot to whom is there now.
    var predecessors: [Slot: Predecessor]
    /// Tenancies that `noteLoss` has ended, by slot.
    var notedLosses: [Slot: UInt64]
    var audit = AuditState()
    var sweep = LastSweep()
    let exporterTracker: ExporterTracker
    /// Counts registrations and what undid them.
    public internal(set) var revision = 0
    /// The pool ran, and not all of its rows were those of the configuration.
    public internal(set) var hasChangedRows = false
    /// What the kernel refused of a change that is in force; `releaseRows` tries it again.
    public internal(set) var interruption: Failure?
    /// The object before had placeholders.
    let wasKept: Bool
    /// Sessions may be elsewhere than their rows lead, until `rejoinMisplacedSessions` has looked.
    var mayHaveMisplacedSessions = false
    /// Some are, of exporters that share their row: another table can give them rows of their own.
    public internal(set) var hasMisplacedSessions = false
    /// What an agent before left half done is looked for no more.
    var isRepaired: Bool
    /// Collectors that inherit a slot have theirs.
    var heirsHaveCome = false

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
        notedLosses = predecessor?.notedLosses ?? [:]
        predecessors = predecessor?.predecessors ?? [:]
        isRepaired = predecessor?.isRepaired ?? false
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
            let base = AssignmentTable(configuration, pins: pins)
            if let present, !reshuffle {
                try base.shape.checkKeepsAssignment(of: present, isRunning: predecessor != nil, act: act)
            }
            maps = try PoolMaps(configuration, in: folder, events: predecessor?.sightingEvents)
            exporterTracker = ExporterTracker(
                maps, configuration.tracking, replacing: predecessor?.exporterTracker)
            groups = try GroupPlane.all(of: configuration, in: folder, settings: settings, registry: maps.registry)
            allocation = SlotAllocation(
                names: configuration.collectors.map(\.name), present: maps.tenants.all().mapValues(\.name))
            let pinNames = Set(configuration.groups.map(\.pinName))
            departedGroups = folder.subfolder("groups").names().filter { !pinNames.contains($0) }
            // The predecessor's may be in no event yet: a last reading has them.
            let isCounted = configuration.usage != nil || predecessor?.countsForUsage == true
            if !isCounted {
                DepartedTraffic.removeAll(in: folder)
                departedTraffic = []
            } else {
                try DepartedTraffic.keep(departedGroups, in: folder)
                departedTraffic = try DepartedTraffic.all(in: folder, besides: groups)
            }
            table = try Self.table(
                base, over: (number, present), configuration, pins, replacing: predecessor, in: folder,
                groups, maps.sessions)
            generation = try Self.generation(over: (number, present), table, in: folder)
            audit.registered = predecessor?.audit.registered ?? RegisteredCookies()
            audit.takenOut = predecessor?.audit.takenOut ?? [:]
            wasKept = predecessor?.isKept ?? false
            // A program that an agent of another version loaded isn't ours.
            try apply(over: (number, present), predecessor?.table, trustsPrograms: predecessor != nil)
            if settings.incarnation == 0 { settings.incarnation = UInt64.random(in: 1...UInt64.max) }
            settings.layoutVersion = UInt64(RPA_LAYOUT_VERSION)
            // The rows are in force, and stay so.
            attemptLater(act, finish)
        } catch let error as PlaneError {
            throw error.failure(
                act: act, pool: configuration.pool, memoryNeed: PoolMemory.need(of: configuration))
        } catch let error as KernelError {
            throw PlaneError.call(error).failure(
                act: act, pool: configuration.pool, memoryNeed: PoolMemory.need(of: configuration))
        } catch let failure as Failure {
            throw failure
        } catch {
            fatalError("unreachable: all errors above are typed")
        }
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
    var collectorUsers: [UInt32] { tenants.all().values.compactMap(\.user) }

    private var isKept: Bool { groups.contains { $0.placeholder != nil } }

    /// Another program, with the maps and constants of the group's own, and these maps: for benchmarks.
    package func load(
        _ program: String, of object: [UInt8], with maps: [(String, Int32)], as group: GroupPlane
    ) throws(PlaneError) -> Descriptor {
        try generation.program(
            program, of: object, group: group.number, isStream: group.group.transport == .tcp,
            groupMaps: poolMaps + group.maps + maps)
    }

    var poolMaps: [(name: String, number: Int32)] { maps.bindings(with: settings) }
}

/// The maps by their names.
extension DataPlane {
    var slots: SlotTable { maps.slots }
    var orphans: OrphanTable { maps.orphans }
    var tenants: TenantTable { _read { yield maps.tenants } }
    /// What the program reports of exporters.
    public var sightingEvents: SightingEvents { maps.sightingEvents }
    var sessions: SessionTable { _read { yield maps.sessions } }
    var registry: GroupRegistry { _read { yield maps.registry } }
}

extension ReuseportGroup {
    /// The group's folder of pins: what makes it this group, for bpffs allows no dots.
    var pinName: String {
        let bound = "\(address)".map { $0 == "." || $0 == ":" ? "_" : String($0) }.joined()
        return "\(transport.rawValue)-\(port)-\(bound)\(ipv6Only ? "-ipv6_only" : "")"
    }
}
