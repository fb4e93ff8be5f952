import CBPFShim
import Glibc
import Logging
import SockArrayCore

/// Notes the events of the collectors' lives, and of rows that move, for who reads
/// GET /events.
final class EventRecorder: EventSource {
    private let pool: RunningPool
    private let log: Logger
    private var history = PoolHistory()
    private var rows: RowDeliveries?
    private var seen: Int
    private var seenWrites: UInt64
    /// Who was lost, and nobody could say how yet.
    private var untold: Set<String> = []
    private var agenda = EventSchedule()
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
        attend(now: now) { () throws(Failure) in
            try lookIfDue(now: now)
            if agenda.isComparisonDue(now: now) { try compareRows(now: now) }
        }
    }

    /// Before a command changes the pool: one that came in the same turn may have done so,
    /// and what both did would be told as one.
    func noteChanges() {
        let now = rpa_monotonic_ns()
        attend(now: now) { () throws(Failure) in try lookIfDue(now: now) }
    }

    private func lookIfDue(now: UInt64) throws(Failure) {
        if agenda.isLookDue(hasChanged: hasChanged, now: now) { try look(now: now) }
    }

    private func attend(now: UInt64, _ work: () throws(Failure) -> Void) {
        do {
            try work()
            agenda.noteSuccess(now: now)
        } catch {
            if !agenda.hasFailed { log.error("\(error)") }
            agenda.noteFailure(now: now)
        }
    }

    private var hasChanged: Bool {
        seen != pool.revision || seenWrites != pool.plane.rowWrites || untold != pool.losses.untoldCollectors
    }

    private func look(now: UInt64) throws(Failure) {
        let moments = try pool.plane.moments(act: act)
        let hasAffinity = pool.plane.table.assignment.hasAffinity
        let losses = pool.losses.take()
        untold = pool.losses.untoldCollectors
        let entries = history.look(
            moments, untold: untold, losses: losses, hasAffinity: hasAffinity, at: .nanoseconds(now))
        for entry in entries { pool.note(entry.kind, collector: entry.collector, entry.text) }
        logNews(entries, moments, losses, hasAffinity: hasAffinity)
        let mayHaveMoved = hasChanged || !entries.isEmpty
        (seen, seenWrites) = (pool.revision, pool.plane.rowWrites)
        agenda.noteLook(states: moments.map(\.state), mayHaveMoved: mayHaveMoved, now: now)
    }

    /// With the rows, which are read only if there is something to say, and left out if
    /// they can't be read: what has happened is told in any case.
    private func logNews(
        _ entries: [PoolHistory.Entry], _ moments: [PoolHistory.Moment], _ losses: [String: String], hasAffinity: Bool
    ) {
        guard entries.contains(where: { [.failedOver, .returned, .held].contains($0.kind) }) else { return }
        let table = hasAffinity ? try? pool.plane.tableStatus() : nil
        for entry in entries {
            guard let collector = pool.plane.configuration.collectors.first(where: { $0.name == entry.collector })
            else { continue }
            let news = CollectorMessages(
                entry, of: collector, rows: table?.collectors.first { $0.name == entry.collector },
                total: table?.tableSize ?? 0, hasAffinity: hasAffinity,
                hasRegistered: moments.contains { $0.name == entry.collector && $0.registrations > 0 },
                isIntended: losses[entry.collector] == CollectorLosses.unregistered)
            if let news { log.of(entry.collector, key: news.key).log(level: news.level, "\(news.text)") }
        }
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
