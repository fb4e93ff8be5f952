import Glibc
import Logging
import PoolModel
import PoolReport

/// Records the collectors' events and moves of rows, for readers of GET /events.
final class EventRecorder: EventSource {
    private let pool: RunningPool
    /// Has the findings that come from the collectors' states.
    private let audit: AuditTimer
    private let log: Logger
    private var history = PoolHistory()
    private var seen: Int
    private var seenWrites: UInt64
    private var seenReloads: Int
    /// Collectors whose loss has no known cause yet.
    private var pending: Set<String> = []
    private var schedule = EventSchedule()
    private let act = "note what happens"

    init(pool: RunningPool, audit: AuditTimer, log: Logger) throws(Failure) {
        self.pool = pool
        self.audit = audit
        self.log = log
        seen = pool.revision
        seenWrites = pool.kernel.rowWrites
        seenReloads = pool.reloads.attempts
        _ = try movedRows()
        try look(now: ContinuousClock.now)
    }

    let waits: [pollfd] = []

    var nextDeadline: ContinuousClock.Instant? { schedule.deadline(hasChanged: hasChanged) }

    func serve(_ results: ArraySlice<pollfd>, now: ContinuousClock.Instant) { lookIfDue(now: now, atRows: true) }

    /// Records earlier changes before a command changes the pool. Otherwise, the changes of two commands in
    /// one turn would appear as one.
    func noteChanges() { lookIfDue(now: ContinuousClock.now, atRows: false) }

    private func lookIfDue(now: ContinuousClock.Instant, atRows: Bool) {
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
        seen != pool.revision || seenWrites != pool.kernel.rowWrites || seenReloads != pool.reloads.attempts
            || pending != pool.losses.pendingCollectors
    }

    private var hasAffinity: Bool { pool.kernel.table.assignment.hasAffinity }

    private func look(now: ContinuousClock.Instant) throws(Failure) {
        let moments = try pool.kernel.moments(act: act)
        let delivery = try pool.kernel.deliveryFacts(act: act)
        pending = pool.losses.pendingCollectors
        let entries = history.look(
            moments, pending: pending, losses: pool.losses.takeCauses(), hasAffinity: hasAffinity,
            stranded: Set(delivery.collectors.filter { !delivery.canFailOver($0.name) }.map(\.name)), at: now)
        for entry in entries { pool.note(entry.kind, collector: entry.collector, entry.text) }
        report(entries)
        let mayHaveMoved = hasChanged || !entries.isEmpty
        (seen, seenWrites, seenReloads) = (pool.revision, pool.kernel.rowWrites, pool.reloads.attempts)
        schedule.noteLook(states: moments.map(\.state), mayHaveMoved: mayHaveMoved, now: now)
        try audit.judgeState()
    }

    /// Logs the entries with the counts of rows. The rows are read only if an entry needs them; if that
    /// fails, the message has no counts.
    private func report(_ entries: [PoolHistory.Entry]) {
        guard entries.contains(where: { [.failedOver, .returned, .held].contains($0.kind) }) else { return }
        let table = hasAffinity ? try? TableStatus(pool.kernel.rowSnapshot()) : nil
        for entry in entries {
            guard let collector = pool.kernel.configuration.collectors.first(where: { $0.name == entry.collector }),
                let message = entry.message(of: collector, table)
            else { continue }
            log.of(entry.collector, key: message.key)
                .log(level: message.isWarning ? .warning : .notice, "\(message.text)")
        }
    }

    private func movedRows() throws(Failure) -> String? {
        history.lookAtRows(of: hasAffinity ? try pool.kernel.rowSnapshot(act: act) : nil, name: pool.kernel.name)
    }
}

/// The times at which `EventRecorder` looks at the collectors and compares rows.
struct EventSchedule {
    /// When a hold ends, or when to check again for a collector that has never registered.
    private var nextLook: ContinuousClock.Instant?
    /// When to compare rows, because they may have moved.
    private var nextComparison: ContinuousClock.Instant?
    private var lastComparison = ContinuousClock.Instant.distantPast
    /// After a failure, the time until which nothing is due.
    private var retry: ContinuousClock.Instant?
    private static let pause = Duration.seconds(1)

    var hasFailed: Bool { retry != nil }

    /// - Parameter hasChanged: whether the pool changed since the last look.
    func deadline(hasChanged: Bool) -> ContinuousClock.Instant? {
        if let retry { return retry }
        return hasChanged ? .distantPast : [nextLook, nextComparison].compactMap(\.self).min()
    }

    func isLookDue(hasChanged: Bool, now: ContinuousClock.Instant) -> Bool {
        !isPaused(now) && (hasChanged || nextLook.isDue(at: now))
    }

    func isComparisonDue(now: ContinuousClock.Instant) -> Bool { !isPaused(now) && nextComparison.isDue(at: now) }

    mutating func noteLook(states: [SlotState], mayHaveMoved: Bool, now: ContinuousClock.Instant) {
        if mayHaveMoved { nextComparison = max(now, lastComparison + Self.pause) }
        nextLook = states.compactMap { state in
            switch state {
            case .holding(let left): now + max(.zero, left) + .milliseconds(1)
            case .empty: now + Self.pause
            case .active, .unverified, .queueing, .stalled, .draining, .failed, .absent: nil
            }
        }.min()
    }

    mutating func noteComparison(now: ContinuousClock.Instant) { (nextComparison, lastComparison) = (nil, now) }

    mutating func noteFailure(now: ContinuousClock.Instant) { retry = now + Self.pause }

    /// Everything that was due succeeded.
    mutating func noteSuccess(now: ContinuousClock.Instant) { if !isPaused(now) { retry = nil } }

    private func isPaused(_ now: ContinuousClock.Instant) -> Bool { retry.map { now < $0 } ?? false }
}
