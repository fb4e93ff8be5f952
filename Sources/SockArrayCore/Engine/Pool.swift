import CBPFShim
import PoolModel

/// A pool in the kernel: the verbs that change it. `Pool+Reading.swift` has what can be read of it.
///
/// The maps and programs are pinned below the configuration's bpffs folder, and work without this
/// object. Making it adopts what is there and repairs only what differs from the configuration. One
/// process at a time has a pool.
///
/// Each call takes the act of which the user reads when it fails: `register c1`.
public final class Pool {
    private let lock: PoolLock
    let engine: PoolEngine
    /// The last one: what it could not complete is tried again.
    private(set) var transaction: ReloadTransaction
    /// The pool ran when it was adopted or reloaded, and not all of its rows were those of the
    /// configuration.
    public private(set) var hasChangedRows: Bool

    /// - Parameters:
    ///   - pins: exporters' pins beside those of the configuration.
    ///   - reshuffle: another assignment, seed or table size may be put in force, although it moves
    ///     most exporters.
    /// - Throws: `.conflict` if another agent runs the pool, or if another pool has one of its groups;
    ///   `.privilege` for what the kernel refuses.
    public init(adopting configuration: PoolConfiguration, pins: [Pin] = [], reshuffle: Bool = false) throws(Failure) {
        let act = "run pool \(configuration.pool)"
        let folder = PinFolder(configuration)
        if let refusal = KernelClock.relation.refusal(act: act) { throw refusal }
        try BPFFileSystem.prepare(configuration.bpffs, act: act)
        try StartSurvey.refuseRivals(of: configuration, groups: configuration.groups, act: act)
        lock = try PoolLock(folder, pool: configuration.pool, act: act)
        transaction = try Self.prepared(configuration, act: act) { () throws(PoolError) in
            try ReloadTransaction(
                configuration, pins: pins, reshuffle: reshuffle, in: try PoolMaps(in: folder), replacing: nil)
        }
        engine = PoolEngine(ActivePool(transaction.deployment))
        hasChangedRows = transaction.commit(to: engine, act: act)
    }

    /// Puts another configuration in force. When it fails, the present one stays.
    ///
    /// - Returns: why some exporters' sessions stay apart from their datagrams until the sessions
    ///   end; nil: none do.
    @discardableResult
    public func reload(
        _ configuration: PoolConfiguration, pins: [Pin] = [], reshuffle: Bool = false
    ) throws(Failure) -> Failure? {
        try replaceTable(configuration, pins, reshuffle: reshuffle)
        // Sessions began while the table was made, of exporters that share a row.
        guard engine.misplaced.exist else { return nil }
        do { try replaceTable(configuration, pins, reshuffle: false) } catch { return error }
        return nil
    }

    private func replaceTable(
        _ configuration: PoolConfiguration, _ pins: [Pin], reshuffle: Bool
    ) throws(Failure) {
        let act = "reload pool \(configuration.pool)"
        let present = deployment.configuration.groups
        let added = configuration.groups.filter { !present.contains(where: $0.isSameGroup(as:)) }
        try StartSurvey.refuseRivals(of: configuration, groups: added, act: act)
        let next = try Self.prepared(configuration, act: act) { () throws(PoolError) in
            try ReloadTransaction(
                configuration, pins: pins, reshuffle: reshuffle, in: engine.active.maps, replacing: engine)
        }
        transaction = next
        hasChangedRows = next.commit(to: engine, act: act)
    }

    private static func prepared(
        _ configuration: PoolConfiguration, act: String, _ body: () throws(PoolError) -> ReloadTransaction
    ) throws(Failure) -> ReloadTransaction {
        do { return try body() } catch {
            throw error.failure(act: act, pool: configuration.pool, memoryNeed: PoolMemory.need(of: configuration))
        }
    }

    /// Puts a collector's sockets into its slot: all of them, or none.
    ///
    /// - Parameters:
    ///   - accepted: connections that the collector has already.
    ///   - keeper: finds the process that keeps the sockets open when the owner ends.
    ///   - replacing: the sockets of another live process may be taken out.
    public func register(
        _ collector: String, _ sockets: [OfferedSocket], accepted: [SocketFacts] = [], owner: ProcessIdentity?,
        keeper: () -> ProcessIdentity? = { nil }, replacing: Bool = false
    ) throws(RegistrationPlan.Refusal) -> RegistrationChange {
        let act = "register \(collector)"
        let slot: Slot
        do { slot = try checked(collector, act: act) } catch { throw .refused(error) }
        return try engine.registrar.register(
            collector, at: slot, sockets, accepted: accepted, owner: owner, keeper: keeper, replacing: replacing,
            act: act)
    }

    /// Takes a collector's sockets out. Its exporters fail over at once. A collector that left the
    /// configuration can be unregistered as long as it has a slot.
    public func unregister(_ collector: String) throws(Failure) -> RegistrationChange {
        let act = "unregister \(collector)"
        let slot: Slot
        if let departed = deployment.departedSlot(of: collector) {
            slot = departed
        } else {
            slot = try checked(collector, act: act)
        }
        return try attempt(act) { () throws(KernelError) in try engine.registrar.unregister(at: slot, act: act) }
    }

    /// Sends the collector no new exporters. Those without a session there leave it at once, the
    /// others when their session has ended.
    ///
    /// - Returns: false if it was draining already.
    public func drain(_ collector: String) throws(Failure) -> Bool {
        try setDrain(.asked, of: collector, act: "drain \(collector)")
    }

    /// Gives the collector its exporters back. Those with a session elsewhere come when it has ended.
    ///
    /// - Returns: false if it was not draining.
    public func undrain(_ collector: String) throws(Failure) -> Bool {
        try setDrain(nil, of: collector, act: "undrain \(collector)")
    }

    private func setDrain(_ drain: Tenant.Drain?, of collector: String, act: String) throws(Failure) -> Bool {
        let slot = try checked(collector, act: act)
        return try attempt(act) { () throws(KernelError) in
            try engine.drainer.set(drain, of: slot, name: collector, act: act)
        }
    }

    /// The slot's collector has lost a socket, or has ended: its restart hold starts in all groups.
    ///
    /// - Returns: false if this loss was noted before.
    @discardableResult
    public func noteLoss(of slot: Slot, hasEnded: Bool, act: String) throws(Failure) -> Bool {
        try attempt(act) { () throws(KernelError) in
            try engine.losses.note(slot, hasEnded: hasEnded, engine.releaser)
        }
    }

    /// The slot's process has ended. If another process keeps its sockets for the next one, they stay in the slot for
    /// the restart hold.
    ///
    /// - Returns: that process, and whether this is new; nil: nobody does, and the collector is lost.
    public func keepSockets(
        of slot: Slot, now: ContinuousClock.Instant, act: String
    ) throws(Failure) -> (keeper: ProcessIdentity, isNew: Bool)? {
        try attempt(act) { () throws(KernelError) in try engine.registration.kept.keep(slot, now: now) }
    }

    /// When a slot whose sockets are kept by another process is given up.
    public var keptSocketsDeadline: ContinuousClock.Instant? { engine.registration.kept.deadline }

    /// Takes sockets that are kept by another process out, when nobody has registered them in time: their
    /// exporters are at other collectors then.
    ///
    /// - Returns: their collectors.
    public func giveUpKeptSockets(now: ContinuousClock.Instant, act: String) throws(Failure) -> [String] {
        try attempt(act) { () throws(KernelError) in
            let slots = try engine.registration.kept.expired(now: now)
            for slot in slots { try engine.losses.giveUp(slot, engine.releaser) }
            return slots.map(deployment.name)
        }
    }

    /// Gives the exporters of a collector that reads nothing to others. Its sockets stay in the slot.
    public func setAside(_ collector: String) throws(Failure) {
        let act = "fail over stalled collector \(collector)"
        let slot = try checked(collector, act: act)
        try attempt(act) { () throws(KernelError) in try engine.registration.aside.add(slot) }
    }

    /// Gives a collector that was set aside its exporters back. Of no effect if it has registered since.
    public func bringBack(_ collector: String) throws(Failure) {
        let act = "bring collector \(collector) back"
        let slot = try checked(collector, act: act)
        try attempt(act) { () throws(KernelError) in try engine.registration.aside.bringBack(slot) }
    }

    /// Extends the collector's hold a little, if one is running: the collector is starting.
    ///
    /// - Returns: nil if the hold stays as it is.
    public func extendHold(of collector: String) throws(Failure) -> HoldExtension.Grant? {
        engine.registration.holds.extend(try checked(collector, act: "extend the hold of \(collector)"), of: collector)
    }

    /// Moves the rows that need not wait any more, and completes what was interrupted.
    ///
    /// - Parameter settling: waits some 10 ms now, so that no wait is needed when the present
    ///   sessions end.
    public func releaseRows(settling: Bool = false, act: String) throws(Failure) {
        try attempt(act) { () throws(KernelError) in
            if interruption != nil || engine.misplaced.mayExist {
                try engine.active.resume { () throws(KernelError) in try transaction.complete(engine) }
            }
            try engine.releaser.release(settling: settling)
        }
    }

    /// Looks at all groups, and attaches the program again where it is gone.
    public func auditFacts(act: String) throws(Failure) -> AuditFacts { try attempt(act, engine.auditor.audit) }

    /// Removes the entries of sessions that have ended.
    ///
    /// - Parameters:
    ///   - count: does nothing until so many sessions have begun since the last sweep. By default, as
    ///     many as take an eighth of the map.
    ///   - margin: keeps entries that are younger: their session may be in no listing yet.
    /// - Returns: some entries were found that the next sweep removes; it should follow shortly.
    public func sweepSessions(
        after count: UInt64 = sweepThreshold, margin: Duration = sweepMargin, act: String
    ) throws(Failure) -> Bool {
        try attempt(act) { () throws(KernelError) in try engine.sessions.sweep(after: count, margin: margin) }
    }

    public static let sweepThreshold = UInt64(RPA_SESSIONS / 8)
    public static let sweepMargin = Duration.milliseconds(100)

    /// To be called once for each interval: reports exporters less often while the table can't hold
    /// all of them.
    public func adjustSamplingInterval(act: String) throws(Failure) {
        if try attempt(act, engine.exporters.adjustInterval) {
            engine.active.maps.settings.sampling = Sampling(interval: samplingInterval)
        }
    }

    /// The bytes that these sources counted are in usage events on the disk.
    public func forgetTraffic(of sources: Set<UInt32>) { engine.traffic.forget(sources) }

    /// Sessions that `on_move: reset` has ended since the last call.
    public func takeEndedSessions() -> Int { engine.resetter.takeEnded() }

    /// Another program, with the maps and constants of the group's own, and these maps: for benchmarks.
    package func load(
        _ program: String, of object: [UInt8], with maps: [(String, Int32)], as group: PoolGroup
    ) throws(PoolError) -> Descriptor {
        try deployment.generation.program(
            program, of: object, group: group.number, isStream: group.group.transport == .tcp,
            groupMaps: deployment.bindings + group.maps + maps)
    }
}
