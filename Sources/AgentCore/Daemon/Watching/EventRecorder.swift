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
        _ = try movedRows()
        try look(now: rpa_monotonic_ns())
    }

    let waits: [pollfd] = []

    var nextDeadline: UInt64? { schedule.deadline(hasChanged: hasChanged) }

    func serve(_ results: ArraySlice<pollfd>, now: UInt64) { lookIfDue(now: now, atRows: true) }

    /// Records earlier changes before a command changes the pool. Otherwise, the changes of two commands in
    /// one turn would appear as one.
    func noteChanges() { lookIfDue(now: rpa_monotonic_ns(), atRows: false) }

    private func lookIfDue(now: UInt64, atRows: Bool) {
        do {
            if schedule.isLookDue(hasChanged: hasChanged, now: now) { try look(now: now) }
            if atRows, schedule.isComparisonDue(now: now) {
                let text = try movedRows()
                schedule.noteComparison(now: now)
                if let text { pool.note(.moved, text) }
            }
            schedule.noteSuccess(now: now)
        } catch {
            if !schedule.hasFailed { log.error("\(error)") }
            schedule.noteFailure(now: now)
        }
    }

    private var hasChanged: Bool {
        seen != pool.revision || seenWrites != pool.kernel.rowWrites || untold != pool.losses.pendingCollectors
    }

    private var hasAffinity: Bool { pool.kernel.table.assignment.hasAffinity }

    private func look(now: UInt64) throws(Failure) {
        let moments = try pool.kernel.moments(act: act)
        untold = pool.losses.pendingCollectors
        let entries = history.look(
            moments, untold: untold, losses: pool.losses.takeCauses(), hasAffinity: hasAffinity, at: .nanoseconds(now))
        for entry in entries { pool.note(entry.kind, collector: entry.collector, entry.text) }
        report(entries)
        let mayHaveMoved = hasChanged || !entries.isEmpty
        (seen, seenWrites) = (pool.revision, pool.kernel.rowWrites)
        schedule.noteLook(states: moments.map(\.state), mayHaveMoved: mayHaveMoved, now: now)
    }

    /// Logs the entries with the counts of rows. The rows are read only if an entry needs them; if that
    /// fails, the message has no counts.
    private func report(_ entries: [PoolHistory.Entry]) {
        guard entries.contains(where: { [.failedOver, .returned, .held].contains($0.kind) }) else { return }
        let table = hasAffinity ? try? TableStatus(pool.kernel.rowSnapshot()) : nil
        for entry in entries {
            guard let collector = pool.kernel.configuration.collectors.first(where: { $0.name == entry.collector }),
                let message = entry.message(of: collector, table, hasAffinity: hasAffinity)
            else { continue }
            log.of(entry.collector, key: message.key)
                .log(level: message.isWarning ? .warning : .notice, "\(message.text)")
        }
    }

    private func movedRows() throws(Failure) -> String? {
        history.lookAtRows(of: hasAffinity ? try pool.kernel.rowSnapshot(act: act) : nil, name: pool.kernel.name)
    }
}

/// The times at which `EventRecorder` looks at the collectors and compares rows: CLOCK_MONOTONIC in
/// nanoseconds.
struct EventSchedule {
    /// When a hold ends, or when to check again for a collector that has never registered.
    private var nextLook: UInt64?
    /// When to compare rows, because they may have moved.
    private var nextComparison: UInt64?
    private var lastComparison: UInt64 = 0
    /// After a failure, the time until which nothing is due.
    private var retry: UInt64?
    private static let pause: UInt64 = 1_000_000_000

    var hasFailed: Bool { retry != nil }

    /// - Parameter hasChanged: whether the pool changed since the last look.
    func deadline(hasChanged: Bool) -> UInt64? {
        if let retry { return retry }
        return hasChanged ? 0 : [nextLook, nextComparison].compactMap(\.self).min()
    }

    func isLookDue(hasChanged: Bool, now: UInt64) -> Bool {
        !isPaused(now) && (hasChanged || nextLook.map { $0 <= now } ?? false)
    }

    func isComparisonDue(now: UInt64) -> Bool { !isPaused(now) && nextComparison.map { $0 <= now } ?? false }

    mutating func noteLook(states: [SlotState], mayHaveMoved: Bool, now: UInt64) {
        if mayHaveMoved { nextComparison = max(now, lastComparison + Self.pause) }
        nextLook = states.compactMap { state in
            switch state {
            case .holding(let left): now + UInt64(max(0, left / .nanoseconds(1))) + 1_000_000
            case .empty: now + Self.pause
            case .active, .draining, .failed, .absent: nil
            }
        }.min()
    }

    mutating func noteComparison(now: UInt64) { (nextComparison, lastComparison) = (nil, now) }

    mutating func noteFailure(now: UInt64) { retry = now + Self.pause }

    /// Everything that was due succeeded.
    mutating func noteSuccess(now: UInt64) { if !isPaused(now) { retry = nil } }

    private func isPaused(_ now: UInt64) -> Bool { retry.map { now < $0 } ?? false }
}
