import CBPFShim
import Glibc
import Logging
import SockArrayCore

/// Notes the events of the collectors' lives, and of rows that move, for who reads
/// GET /events.
final class Chronicle: EventSource {
    private let pool: RunningPool
    private let log: Logger
    private var history = PoolHistory()
    private var rows: RowDeliveries?
    private var seen: RunningPool.Revision
    private var seenWrites: UInt64
    private var agenda = ChronicleAgenda()
    private let act = "note what happens"

    init(pool: RunningPool, log: Logger) throws(Failure) {
        self.pool = pool
        self.log = log
        seen = pool.revision
        seenWrites = pool.plane.rowWrites
        rows = try pool.plane.deliveries(act: act)
        try look(now: rpa_monotonic_ns())
    }

    let waits: [pollfd] = []

    var nextDeadline: UInt64? { agenda.deadline(hasChanged: hasChanged) }

    func serve(_ results: ArraySlice<pollfd>, now: UInt64) {
        do {
            if agenda.isLookDue(hasChanged: hasChanged, now: now) { try look(now: now) }
            if agenda.isComparisonDue(now: now) { try compareRows(now: now) }
            agenda.noteSuccess(now: now)
        } catch {
            if !agenda.hasFailed { log.error("\(error)") }
            agenda.noteFailure(now: now)
        }
    }

    private var hasChanged: Bool { seen != pool.revision || seenWrites != pool.plane.rowWrites }

    private func look(now: UInt64) throws(Failure) {
        let moments = try pool.plane.moments(act: act)
        let entries = history.look(moments, losses: pool.takeLosses(), at: .nanoseconds(now))
        for entry in entries { pool.note(entry.kind, collector: entry.collector, entry.text) }
        let mayHaveMoved = hasChanged || !entries.isEmpty
        (seen, seenWrites) = (pool.revision, pool.plane.rowWrites)
        agenda.noteLook(states: moments.map(\.state), mayHaveMoved: mayHaveMoved, now: now)
    }

    private func compareRows(now: UInt64) throws(Failure) {
        let before = rows
        rows = try pool.plane.deliveries(act: act)
        agenda.noteComparison(now: now)
        guard let before, let rows, let shifts = before.shifts(to: rows),
            let text = RowDeliveries.text(of: shifts, total: rows.count, name: pool.plane.name)
        else { return }
        pool.note(.moved, text)
    }
}
