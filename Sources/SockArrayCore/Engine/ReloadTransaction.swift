import CBPFShim
import PoolModel

/// Puts a configuration in force, at the agent's start and at each reload.
///
/// Making a transaction prepares it: that may fail, and changes nothing that is in force. It makes the
/// maps of new groups and, for another table, a second generation beside the one in force; it loads
/// the programs and gives new collectors their slots, which no row names yet. `commit` can't fail: it
/// stores into mapped memory. `complete` does the rest, and may be repeated.
final class ReloadTransaction {
    let deployment: Deployment
    private let isRunning: Bool
    private let isNew: Bool
    /// The generation in force, if another one replaces it.
    private var previous: PreviousTable?
    /// The slots' state before.
    private let before: SlotAvailability
    /// Sessions that were established a moment ago, if rows follow them.
    private var live: [PlacedSession]
    private let named: [Slot]
    /// Directory names of groups that the pool had and the configuration has not.
    let departedGroups: [String]
    private let departedTraffic: [DepartedTraffic]
    private let hadPlaceholders: Bool
    /// Collectors that inherit a slot have it.
    private var heirsHaveCome = false

    /// - Parameters:
    ///   - reshuffle: another assignment, seed or table size may be put in force, although it moves
    ///     most exporters.
    ///   - engine: of the pool that runs; nil: the agent starts.
    init(
        _ configuration: PoolConfiguration, pins: [Pin], reshuffle: Bool, in maps: PoolMaps,
        replacing engine: PoolEngine?
    ) throws(PoolError) {
        let predecessor = engine?.active.deployment
        let number = maps.settings.generation
        let present = number == 0 ? nil : maps.settings[shapeOf: Int(number & 1)]
        let base = AssignmentTable(configuration, pins: pins)
        if let present, !reshuffle, !base.shape.keepsAssignment(of: present) {
            throw .reshuffle(from: present, to: base.shape, isRunning: predecessor != nil)
        }
        let groups = try PoolGroup.all(of: configuration, maps, reusing: predecessor?.groups ?? [])
        (departedGroups, departedTraffic) = try Self.departures(
            of: configuration, besides: groups, isCounted: engine?.traffic.countsForUsage == true, in: maps.folder)
        let table = try Self.table(
            base, over: present, of: number, configuration, pins, groups, maps, replacing: engine)
        isNew = present != table.shape
        isRunning = number != 0
        let generation =
            isNew
            ? try Generation(making: table, number: number + 1, in: maps.folder)
            : try Generation(adopting: table, number: number, in: maps.folder)
        deployment = Deployment(
            configuration, pins: pins, table,
            SlotAllocation(
                names: configuration.collectors.map(\.name), present: maps.tenants.all().mapValues(\.name)), groups,
            generation, try Self.trackedExporters(configuration.tracking, maps, of: predecessor), maps)
        // A program that an agent of another version loaded is not ours.
        try Self.loadPrograms(of: deployment, departedGroups, isNew: isNew, areTrusted: predecessor != nil)
        if isNew, let present {
            previous = try PreviousTable(
                ofNumber: number, present, as: table, predecessor: predecessor?.table, in: maps.folder)
        } else {
            previous = nil
        }
        hadPlaceholders = predecessor?.hasPlaceholders ?? false
        do throws(KernelError) {
            before = try deployment.availability()
            live =
                previous != nil && deployment.follows
                ? PlacedSession.all(of: try LiveSession.all(of: groups, maps.sessions), in: table, before) : []
            named = try SlotNaming.stage(for: deployment, isRunning: isRunning)
        } catch { throw .call(error) }
    }

    /// Puts the configuration in force.
    ///
    /// - Returns: the pool ran, and not all of its rows were those of the configuration.
    func commit(to engine: PoolEngine, act: String) -> Bool {
        let (settings, slots) = (deployment.maps.settings, deployment.maps.slots)
        // A group that has another name now keeps its placeholder until the new one is there; without
        // collectors, the kernel's group would end in between.
        let renamed = engine.active.deployment.groups.filter { old in
            deployment.groups.contains { $0.group.pinName == old.group.pinName }
        }
        defer { withExtendedLifetime(renamed) {} }
        engine.active.replaceDeployment(by: deployment)
        engine.resetter.forgetRefusal()
        named.forEach(engine.losses.forget)
        engine.exporters.followConfiguration()
        engine.traffic.replaceDeparted(by: departedTraffic)
        for collector in deployment.configuration.collectors {
            slots.setChoice(collector.workers, of: deployment.allocation[collector.name]!)
        }
        settings.setHold(deployment.configuration.restartHold)
        settings.sampling = Sampling(interval: engine.exporters.interval)
        let desired = deployment.rows(for: deployment.collectorsWithFreeSlots)
        let hasChangedRows: Bool
        if isNew {
            engine.rows.putInForce(desired, over: previous, live, before)
            hasChangedRows = isRunning
        } else {
            hasChangedRows = engine.rows.move(to: desired, before) > 0
        }
        (previous, live) = (nil, [])
        engine.misplaced.noteNewTable(isRunning: isRunning)
        if settings.incarnation == 0 { settings.incarnation = UInt64.random(in: 1...UInt64.max) }
        settings.layoutVersion = UInt64(RPA_LAYOUT_VERSION)
        engine.active.attemptLater(act) { () throws(KernelError) in try complete(engine) }
        return hasChangedRows
    }

    /// What follows when the rows are in force. Heirs of a slot come when no row names it for the
    /// collector before.
    func complete(_ engine: PoolEngine) throws(KernelError) {
        // The next transaction removes what stays.
        try? removeDepartedGroups()
        try? engine.exporters.retireTables()
        if engine.misplaced.mayExist { try engine.misplaced.rejoin() }
        try engine.registrar.completeInterrupted()
        let areHeirsDue = !deployment.allocation.heirs.isEmpty && !heirsHaveCome
        try engine.releaser.release(leavingFreed: areHeirsDue)
        if areHeirsDue {
            try bringHeirs(engine)
            heirsHaveCome = true
            try engine.releaser.release()
        }
        // In a pool that never had a collector the groups are the kernel's own.
        if deployment.configuration.collectorUser != nil || !deployment.collectorUsers.isEmpty || hadPlaceholders {
            deployment.keepGroups()
        }
        try engine.sockets.followMaps()
    }

    private func bringHeirs(_ engine: PoolEngine) throws(KernelError) {
        let all = deployment.collectors
        for collector in all {
            let present = deployment.maps.tenants.tenant(of: collector.slot)?.name ?? collector.name
            guard present == collector.name else {
                throw KernelError(operation: "free the slots of departed collectors", errno: KernelError.busy)
            }
        }
        for slot in try SlotNaming.name(all, in: deployment, isRunning: true) { engine.losses.forget(slot) }
        engine.rows.move(to: deployment.rows(for: all), try deployment.availability())
    }

    private func removeDepartedGroups() throws {
        let (maps, groups) = (deployment.maps, deployment.groups)
        // First the bits: a group that comes gets a number that is free.
        let numbers = groups.reduce(0) { $0 | UInt64(1) << UInt64($1.number) }
        for slot in maps.tenants.all().keys where maps.slots.groups(of: slot) & ~numbers != 0 {
            maps.slots.setGroups(of: slot, maps.slots.groups(of: slot) & numbers)
        }
        for number in 0..<PoolConfiguration.groupLimit where numbers >> UInt64(number) & 1 == 0 {
            for slot in maps.tenants.all().keys { maps.slots.setSpan(1, of: slot, in: number) }
        }
        try maps.registry.keepOnly(Set(groups.map(\.number)))
        if deployment.configuration.usage == nil, departedTraffic.isEmpty { DepartedTraffic.removeAll(in: maps.folder) }
        try GroupRemoval.remove(departedGroups, in: maps.folder)
    }
}

extension ReloadTransaction {
    /// Groups that left the configuration, and those of their counters that no usage event has yet.
    ///
    /// - Parameter isCounted: the pool that runs makes usage events of them.
    private static func departures(
        of configuration: PoolConfiguration, besides groups: [PoolGroup], isCounted: Bool, in folder: PinFolder
    ) throws(PoolError) -> ([String], [DepartedTraffic]) {
        let present = Set(configuration.groups.map(\.pinName))
        let departed = folder.subfolder("groups").names().filter { !present.contains($0) }
        guard configuration.usage != nil || isCounted else { return (departed, []) }
        try DepartedTraffic.keep(departed, in: folder)
        do { return (departed, try DepartedTraffic.all(in: folder, besides: groups)) } catch { throw .call(error) }
    }

    /// The configuration's table, with rows of their own for exporters whose sessions it would
    /// otherwise leave at another collector.
    private static func table(
        _ base: AssignmentTable, over present: GenerationShape?, of number: UInt64,
        _ configuration: PoolConfiguration, _ pins: [Pin], _ groups: [PoolGroup], _ maps: PoolMaps,
        replacing engine: PoolEngine?
    ) throws(PoolError) -> AssignmentTable {
        guard let present, present != base.shape || engine?.misplaced.exist == true,
            configuration.onMove != .immediate, base.assignment.hasAffinity
        else { return base }
        let predecessor = engine?.active.deployment.table
        let previous = try PreviousTable(ofNumber: number, present, as: base, predecessor: predecessor, in: maps.folder)
        let live: [LiveSession]
        do { live = try LiveSession.all(of: groups, maps.sessions) } catch { throw .call(error) }
        // A session that begins from now on is not among the live ones.
        let left = predecessor?.exportersWithDedicatedRows.filter {
            $0.isPinned || engine?.rows.waiting[$0.row] != nil
        }
        let kept = previous.exportersToKeep(from: base, leaving: left ?? [], live)
        return kept.isEmpty ? base : AssignmentTable(configuration, pins: pins, keeping: kept)
    }

    private static func trackedExporters(
        _ tracking: Tracking, _ maps: PoolMaps, of predecessor: Deployment?
    ) throws(PoolError) -> TrackedExporterTable? {
        if tracking.size == 0 { return nil }
        if let open = predecessor?.trackedExporters, predecessor?.configuration.tracking.size == tracking.size {
            return open
        }
        return try TrackedExporterTable(limit: tracking.size, in: maps.folder)
    }

    private static func loadPrograms(
        of deployment: Deployment, _ departedGroups: [String], isNew: Bool, areTrusted: Bool
    ) throws(PoolError) {
        let generation = deployment.generation
        if isNew {
            GroupRemoval.forgetPrograms(ofParity: generation.parity, of: departedGroups, in: deployment.maps.folder)
        }
        for group in deployment.groups
        where isNew || !areTrusted || !group.hasProgram(ofParity: generation.parity) {
            try group.load(generation, poolMaps: deployment.bindings)
        }
    }
}
