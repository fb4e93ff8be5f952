import CBPFShim
import Glibc
import Logging
import PoolModel
import PoolReport

/// Records the collectors' events and moves of rows, for readers of GET /events.
final class EventRecorder: EventSource {
    private let pool: RunningPool
    private let log: Logger
    private var history = PoolHistory()
    private var rows: RowDeliveries?
    private var seen: Int
    private var seenWrites: UInt64
    /// Collectors whose loss has no known cause yet.
    private var untold: Set<String> = []
    private var schedule = EventSchedule()
    private let act = "note what happens"

    init(pool: RunningPool, log: Logger) throws(Failure) {
        self.pool = pool
        self.log = log
        seen = pool.revision
        seenWrites = pool.kernel.rowWrites
        rows = try pool.kernel.deliveries(act: act)
        try look(now: rpa_monotonic_ns())
    }

    let waits: [pollfd] = []

    var nextDeadline: UInt64? { schedule.deadline(hasChanged: hasChanged) }

    func serve(_ results: ArraySlice<pollfd>, now: UInt64) {
        attend(now: now) { () throws(Failure) in
            try lookIfDue(now: now)
            if schedule.isComparisonDue(now: now) { try compareRows(now: now) }
        }
    }

    /// Records earlier changes before a command changes the pool. Otherwise, the changes of two commands in
    /// one turn would appear as one.
    func noteChanges() {
        let now = rpa_monotonic_ns()
        attend(now: now) { () throws(Failure) in try lookIfDue(now: now) }
    }

    private func lookIfDue(now: UInt64) throws(Failure) {
        if schedule.isLookDue(hasChanged: hasChanged, now: now) { try look(now: now) }
    }

    private func attend(now: UInt64, _ work: () throws(Failure) -> Void) {
        do {
            try work()
            schedule.noteSuccess(now: now)
        } catch {
            if !schedule.hasFailed { log.error("\(error)") }
            schedule.noteFailure(now: now)
        }
    }

    private var hasChanged: Bool {
        seen != pool.revision || seenWrites != pool.kernel.rowWrites || untold != pool.losses.pendingCollectors
    }

    private func look(now: UInt64) throws(Failure) {
        let moments = try pool.kernel.moments(act: act)
        let hasAffinity = pool.kernel.table.assignment.hasAffinity
        let losses = pool.losses.take()
        untold = pool.losses.pendingCollectors
        let entries = history.look(
            moments, untold: untold, losses: losses, hasAffinity: hasAffinity, at: .nanoseconds(now))
        for entry in entries { pool.note(entry.kind, collector: entry.collector, entry.text) }
        logNews(entries, moments, losses, hasAffinity: hasAffinity)
        let mayHaveMoved = hasChanged || !entries.isEmpty
        (seen, seenWrites) = (pool.revision, pool.kernel.rowWrites)
        schedule.noteLook(states: moments.map(\.state), mayHaveMoved: mayHaveMoved, now: now)
    }

    /// Logs the entries with the counts of rows. The rows are read only if an entry needs them; if that
    /// fails, the message has no counts.
    private func logNews(
        _ entries: [PoolHistory.Entry], _ moments: [PoolHistory.Moment], _ losses: [String: String], hasAffinity: Bool
    ) {
        guard entries.contains(where: { [.failedOver, .returned, .held].contains($0.kind) }) else { return }
        let table = hasAffinity ? try? TableStatus(pool.kernel.rowSnapshot()) : nil
        for entry in entries {
            guard let collector = pool.kernel.configuration.collectors.first(where: { $0.name == entry.collector })
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
        rows = try pool.kernel.deliveries(act: act)
        schedule.noteComparison(now: now)
        guard let before, let rows, let shifts = before.shifts(to: rows),
            let text = RowDeliveries.text(of: shifts, total: rows.count, name: pool.kernel.name)
        else { return }
        pool.note(.moved, text)
    }
}
