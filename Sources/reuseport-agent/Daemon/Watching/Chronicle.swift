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
    /// When a hold is over, or somebody is looked for who never came.
    private var nextLook: UInt64?
    /// Rows may have moved: they are compared then.
    private var nextComparison: UInt64?
    private var lastComparison: UInt64 = 0
    private var hasFailed = false
    private let act = "note what happens"
    private static let pause: UInt64 = 1_000_000_000

    init(pool: RunningPool, log: Logger) throws(Failure) {
        self.pool = pool
        self.log = log
        seen = pool.revision
        seenWrites = pool.plane.rowWrites
        rows = try pool.plane.deliveries(act: act)
        try look(now: rpa_monotonic_ns())
    }

    let waits: [pollfd] = []

    var nextDeadline: UInt64? {
        if hasChanged, !hasFailed { return 0 }
        return [nextLook, nextComparison].compactMap { $0 }.min()
    }

    func serve(_ results: ArraySlice<pollfd>, now: UInt64) {
        do {
            if hasChanged || isDue(nextLook, now) { try look(now: now) }
            if isDue(nextComparison, now) { try compareRows(now: now) }
            hasFailed = false
        } catch {
            if !hasFailed { log.error("\(error)") }
            hasFailed = true
            nextLook = now + Self.pause
        }
    }

    private var hasChanged: Bool { seen != pool.revision || seenWrites != pool.plane.rowWrites }

    private func isDue(_ deadline: UInt64?, _ now: UInt64) -> Bool { deadline.map { $0 <= now } ?? false }

    private func look(now: UInt64) throws(Failure) {
        let moments = try pool.plane.moments(act: act)
        let entries = history.look(moments, losses: pool.takeLosses(), at: .nanoseconds(now))
        for entry in entries { pool.note(entry.kind, collector: entry.collector, entry.text) }
        if hasChanged || !entries.isEmpty { nextComparison = max(now, lastComparison + Self.pause) }
        (seen, seenWrites) = (pool.revision, pool.plane.rowWrites)
        nextLook = moments.compactMap { moment in
            switch moment.state {
            case .holding(let left): now + UInt64(max(0, left / .nanoseconds(1))) + 1_000_000
            case .empty: now + Self.pause
            case .active, .draining, .failed, .absent: nil
            }
        }.min()
    }

    private func compareRows(now: UInt64) throws(Failure) {
        nextComparison = nil
        lastComparison = now
        let before = rows
        rows = try pool.plane.deliveries(act: act)
        guard let before, let rows, let shifts = before.shifts(to: rows),
            let text = RowDeliveries.text(of: shifts, total: rows.count, name: pool.plane.name)
        else { return }
        pool.note(.moved, text)
    }
}
