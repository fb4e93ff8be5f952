import CBPFShim
import Glibc
import Logging
import PoolModel
import PoolReport
import SockArrayCore

/// The pool that the agent runs, with the configuration that is in force. A
/// reload replaces it as a whole, or not at all.
final class RunningPool {
    let kernel: Pool
    private let configurationPath: String
    private let log: Logger
    private var mark = LoadMark()
    /// Of the last audit, and of the state since.
    var findings: [AuditFinding] = []
    /// Collectors that read nothing, and the group in which data waits for them.
    var stalled: [String: String] = [:] {
        didSet { isAuditDue = true }
    }
    /// Something became known that the next audit reports.
    var isAuditDue = false
    private(set) var events = EventLog()
    /// Exporters that sent something within the last interval.
    var activeExporters: Int?
    private(set) var reloads = ReloadLog()
    /// Of usage events, where they are configured.
    var usage: UsageStatus?
    let losses: LossReports

    init(_ configuration: PoolConfiguration, path: String, log: Logger) throws(Failure) {
        self.log = log
        losses = LossReports(log: log)
        configurationPath = path
        let file = StateFile(configuration)
        try file.check(besides: path)
        let pins = try file.read { log.warning("\($0)") }
        kernel = try Pool(adopting: configuration, pins: pins)
        rpa_trim_memory()
        if kernel.hasChangedRows {
            let waiting = (try? kernel.rowsWaitingForSessions(act: "run pool \(configuration.pool)")) ?? 0
            log.notice(
                """
                pool \(configuration.pool): the assignment table in the kernel differed from the configuration, because \
                the file was changed while no agent ran, or a reload was interrupted; the agent has corrected the \
                table, and exporters with a BMP session at another collector move when the session ends: no action \
                is needed
                """,
                metadata: waiting > 0 ? ["waiting": "\(waiting)"] : nil)
        }
        logDepartures()
    }

    /// Changes with each registration, its undoing and each reload.
    var revision: Int { kernel.revision }

    /// Adds an event, which readers of GET /events receive.
    func note(_ kind: PoolEvent.Kind, collector: String? = nil, exporter: String? = nil, _ text: String) {
        events.add(kind, at: WallClock.now, collector: collector, exporter: exporter, text)
    }

    func tracking(act: String) throws(Failure) -> TrackingStatus {
        completed(try kernel.tracking(act: act))
    }

    private func completed(_ tracking: TrackingStatus) -> TrackingStatus {
        var tracking = tracking
        if tracking.size > 0 { tracking.active = activeExporters }
        return tracking
    }

    func status() throws(Failure) -> PoolStatus {
        var status = PoolStatus(try kernel.snapshot())
        status.time = WallClock.now
        status.add(findings)
        status.tracking = status.tracking.map(completed)
        status.usage = usage
        return status
    }

    /// Applies the configuration file as it is now. Nothing changes if it can't be used.
    func reload(reshuffle: Bool) throws(Failure) -> MovePlan {
        do {
            let plan = try applyFile(reshuffle: reshuffle)
            reloads.noteSuccess()
            return plan
        } catch {
            reloads.note(error)
            throw error
        }
    }

    private func applyFile(reshuffle: Bool) throws(Failure) -> MovePlan {
        let act = "reload pool \(kernel.configuration.pool)"
        let configuration = try kernel.configuration.changed(by: configurationPath, act: act)
        var plan = try movePlan(to: configuration, act: act)
        let changes = kernel.configuration.differences(to: configuration).map { "; \($0)" }.joined()
        if configuration.stateFile != kernel.configuration.stateFile, !kernel.pins.isEmpty {
            try StateFile(configuration).write(kernel.pins, act: act)
        }
        try reload(configuration, kernel.pins, reshuffle: reshuffle)
        // The reload is in force, even if its report is incomplete.
        let waiting = (try? kernel.rowsWaitingForSessions(act: act)) ?? 0
        if waiting > 0 {
            plan.notes.append(
                "rows that move when their BMP sessions end (on_move: "
                    + "\(configuration.onMove.rawValue)): \(waiting)")
        }
        log.notice(
            "pool \(configuration.pool) is reloaded: \(plan.rows.moved) of \(plan.rows.total) table rows move\(changes)",
            metadata: waiting > 0 ? ["waiting": "\(waiting)"] : nil)
        if !plan.rows.isExact {
            note(.moved, "reload: another table, about \(plan.rows.moved) of \(plan.rows.total) addresses move")
        } else if plan.rows.moved == 0, !plan.exporters.isEmpty {
            note(.moved, "reload: exporters that move: \(plan.exporters.count)")
        }
        logDepartures()
        // A long list of exporters passes through much memory.
        rpa_trim_memory()
        return plan
    }

    /// What would move: by a change, or, for an empty one, by a reload.
    func plan(_ change: ConfigurationChange) throws(Failure) -> MovePlan {
        let act = "plan a change of pool \(kernel.configuration.pool)"
        let configuration =
            change.isEmpty
            ? try kernel.configuration.changed(by: configurationPath, act: act)
            : try change.applied(to: kernel.configuration, act: act)
        return try movePlan(to: configuration, act: act)
    }

    /// Begins a measurement for `rebalance`.
    func markLoads() throws(Failure) -> Int {
        mark.set(try kernel.seenExporters(act: "measure pool \(kernel.configuration.pool)"))
    }

    /// Pins that even out the measured load; with `apply` they are in force when it returns.
    func rebalance(
        bound: Double, sinceMark: Int?, startsOver: Bool, apply: Bool
    ) throws(Failure) -> RebalancePlan {
        let act = "rebalance pool \(kernel.configuration.pool)"
        guard kernel.configuration.assignment.hasAffinity else {
            throw Failure(
                .usage, act: act,
                cause: "assignment \(kernel.configuration.assignment.rawValue) sends an exporter to any collector",
                remedy: "there is nothing to pin; rendezvous and maglev have pins")
        }
        guard bound > 1, bound <= 1_000 else {
            throw Failure(
                .usage, act: act, cause: "\(bound) is not a ratio above 1",
                remedy: "give a bound like 1.1: 1 is perfect")
        }
        let unusable = try kernel.unusableCollectors(act: act)
        guard unusable.isEmpty else {
            throw Failure(
                .conflict, act: act,
                cause: "others have the load of absent collectors: \(unusable.joined(separator: ", "))",
                remedy: "register them first, or take them out of collectors in the configuration")
        }
        let seen = try kernel.readTrackedExporters(act: act)
        let plan = RebalancePlan(
            kernel.configuration, pins: startsOver ? [] : kernel.pins, present: kernel.pins,
            tracked: try mark.loads(of: seen.tracked, sinceMark: sinceMark, act: act),
            untracked: seen.untracked.bytes, bound: bound)
        guard apply, plan.pins != kernel.pins else { return plan }
        let file = StateFile(kernel.configuration)
        try file.write(plan.pins, act: act)
        do {
            try reload(kernel.configuration, plan.pins)
        } catch {
            try? file.write(kernel.pins, act: act)
            throw error
        }
        note(.moved, "rebalance: exporters that move: \(plan.moved.count)")
        log.notice(
            "pool \(kernel.configuration.pool) is rebalanced: exporters moved: \(plan.moved.count), pins: \(plan.pins.count)"
        )
        return plan
    }

    private func reload(_ configuration: PoolConfiguration, _ pins: [Pin], reshuffle: Bool = false) throws(Failure) {
        if let remainder = try kernel.reload(configuration, pins: pins, reshuffle: reshuffle) {
            log.error("\(remainder)")
        }
    }

    /// Their processes may well run on, and get nothing any more.
    private func logDepartures() {
        for (things, names) in [("collectors", kernel.departedCollectors), ("groups", kernel.departedGroups)]
        where !names.isEmpty {
            log.notice("\(things) that left the configuration: \(names.joined(separator: ", "))")
        }
    }

    private func movePlan(to configuration: PoolConfiguration, act: String) throws(Failure) -> MovePlan {
        MovePlan(
            from: AssignmentPlan(kernel.configuration, pins: kernel.pins),
            to: AssignmentPlan(configuration, pins: kernel.pins), tracked: try kernel.seenExporters(act: act))
    }
}

extension StateFile {
    init(_ configuration: PoolConfiguration) { self.init(path: configuration.stateFile, pool: configuration.pool) }
}
