import CBPFShim
import Glibc
import Logging
import PoolModel
import PoolReport

/// Compares the pool with the kernel: every 4 s, on request, and at once when a packet reaches a
/// placeholder socket, which shows that the group's program doesn't run.
final class AuditTimer: EventSource {
    private let pool: RunningPool
    private let log: Logger
    private var history = AuditHistory()
    private var census = SourceCensus()
    private var nextCensus = ContinuousClock.Instant.distantPast
    /// The first audit isn't immediate: the start of the agent attaches the program of an adopted pool.
    private var next = ContinuousClock.now + pause
    /// Until then the placeholders are ignored: a broadcast reaches them, too, and would start an audit each.
    private var deafUntil = ContinuousClock.Instant.distantPast
    private var said: String?
    private let act = "audit the pool"
    private static let pause = Duration.seconds(4)
    /// The pause if an audit had no time for some groups.
    private static let shortPause = Duration.seconds(1)
    private static let deafness = Duration.milliseconds(500)
    /// The pause between two reads of all exporters, which are megabytes.
    private static let censusPause = Duration.seconds(60)

    init(pool: RunningPool, log: Logger) {
        self.pool = pool
        self.log = log
    }

    /// The next audit, or the time when the placeholders are polled again.
    var nextDeadline: ContinuousClock.Instant? {
        if pool.isAuditDue { return .distantPast }
        return ContinuousClock.now < deafUntil ? min(next, deafUntil) : next
    }

    var waits: [pollfd] {
        guard ContinuousClock.now >= deafUntil else { return [] }
        return pool.kernel.placeholderNumbers.map { pollfd(reading: $0) }
    }

    func serve(_ results: ArraySlice<pollfd>, now: ContinuousClock.Instant) {
        guard next <= now || pool.isAuditDue || results.contains(where: { $0.revents != 0 }) else { return }
        pool.isAuditDue = false
        do {
            _ = try audit()
            said = nil
        } catch {
            if said != "\(error)" { log.error("\(error)") }
            said = "\(error)"
            next = now + Self.pause
            deafUntil = now + Self.deafness
        }
    }

    /// Audits now, logs new findings and findings that are over, and stores the findings in the pool.
    func audit() throws(Failure) -> AuditReport {
        var facts = try pool.kernel.auditFacts(act: act)
        try count()
        facts.loneSource = census.loneSource
        facts.stalled = pool.stalled
        facts.state = try state()
        let now = Self.moment
        let report = history.judge(facts, at: now)
        note(report.changes)
        next = now.instant + (facts.groups.contains { $0.probe == .skipped } ? Self.shortPause : Self.pause)
        deafUntil = now.instant + Self.deafness
        return report
    }

    /// Judges the collectors, groups and the last reload, as they are now, without an audit.
    func judgeState() throws(Failure) { note(history.judge(try state(), at: Self.moment)) }

    private func state() throws(Failure) -> AuditFacts.State {
        .init(delivery: try pool.kernel.deliveryFacts(act: act), reloadFailure: pool.reloads.failure)
    }

    private static var moment: AuditHistory.Moment {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return .init(instant: ContinuousClock.now, time: Int64(time.tv_sec))
    }

    private func note(_ changes: AuditChanges) {
        pool.findings = changes.findings
        for finding in changes.new where !finding.isLogged {
            let level: Logger.Level = finding.isOutage ? .error : finding.level == .problem ? .warning : .notice
            log.log(level: level, "\(finding.text)")
        }
        for finding in changes.over { log.notice("\(finding.endText)") }
    }

    private func count() throws(Failure) {
        let now = ContinuousClock.now
        let kernel = pool.kernel
        guard now >= nextCensus, kernel.table.assignment.hasAffinity else { return }
        nextCensus = now + Self.censusPause
        let runs = try kernel.totalRuns(act: act)
        guard census.isDue(runs: runs) else { return }
        let there = kernel.configuration.collectors.count - (try kernel.awayCollectors(act: act)).count
        let seen = try kernel.readTrackedExporters(act: act)
        census.look(runs: runs, seen.tracked, untracked: seen.untracked.runs, isSpread: there >= 2)
        if seen.tracked.count > 1_000 { rpa_trim_memory() }
    }
}
