import PoolModel

/// The exporters that the program tracks: what it counted of each, and how often it reports them.
final class ExporterTracker {
    private let pool: ActivePool
    /// What `pace` is adjusted to.
    private var tracking: Tracking
    private var pace = SamplingPace()
    /// Traffic of exporters without counters of their own, as it was reported last. A report is
    /// never less than the one before.
    private var reportedUntracked = ExporterTraffic()
    /// The same, as it was read last, and until when it counts as recent.
    private var recentUntracked: (traffic: ExporterTraffic, expiry: ContinuousClock.Instant)?

    init(_ pool: ActivePool) {
        self.pool = pool
        tracking = pool.deployment.configuration.tracking
    }

    /// After a reload: the interval stays lengthened unless tracking has changed.
    func followConfiguration() {
        let configured = pool.deployment.configuration.tracking
        if configured != tracking { (tracking, pace) = (configured, SamplingPace()) }
        recentUntracked = nil
    }

    /// The least time between two reports of an exporter, as it is now.
    var interval: Duration { pace.interval(of: tracking.interval) }

    /// The tracked exporters in no order, and the traffic of all others. Without tracking there are
    /// none. While exporters come and go, an address may occur twice.
    func read() throws(KernelError) -> (tracked: [TrackedExporter], untracked: ExporterTraffic) {
        let retired = try pool.maps.retiredCounts.counts()
        var all: (tracked: [TrackedExporter], untracked: ExporterTraffic) = ([], ExporterTraffic())
        if let tracked = pool.deployment.trackedExporters {
            all = try tracked.read(updatePeriod: Sampling(interval: interval).updatePeriod)
        }
        all.untracked += ExporterTraffic(runs: retired.runs, bytes: retired.bytes)
        return all
    }

    func status() throws(KernelError) -> TrackingStatus {
        let retired = try pool.maps.retiredCounts.counts()
        var status = TrackingStatus(
            size: tracking.size, fill: 0, interval: 0, configuredInterval: tracking.interval / .seconds(1),
            untracked: ExporterTraffic(runs: retired.runs, bytes: retired.bytes), evicted: retired.evicted,
            eventsLost: retired.events_lost)
        guard let tracked = pool.deployment.trackedExporters else { return status }
        let (used, evicted) = try tracked.allocated()
        let counts = try tracked.untrackedCounts()
        status.tracked = used
        status.fill = Double(used) / Double(tracking.size)
        status.interval = interval / .seconds(1)
        // Only then is there anything under another epoch.
        status.untracked += evicted == 0 ? counts.traffic : try untrackedTraffic(of: tracked)
        // An exporter that changes its entry during the reading is missing from it.
        reportedUntracked.runs = max(reportedUntracked.runs, status.untracked.runs)
        reportedUntracked.bytes = max(reportedUntracked.bytes, status.untracked.bytes)
        status.untracked = reportedUntracked
        status.evicted += evicted
        status.eventsLost += counts.eventsLost
        return status
    }

    /// Read again after a second, or later where the reading takes long: the agent has one thread.
    private func untrackedTraffic(of tracked: TrackedExporterTable) throws(KernelError) -> ExporterTraffic {
        let now = ContinuousClock.now
        if let recentUntracked, now < recentUntracked.expiry { return recentUntracked.traffic }
        // In this order, traffic that is counted meanwhile is missing for a moment, and never
        // counts twice.
        var traffic = try tracked.untrackedCounts().traffic
        traffic += try tracked.evictedTraffic()
        let end = ContinuousClock.now
        recentUntracked = (traffic, end + max(.seconds(1), (end - now) * 100))
        return traffic
    }

    /// To be called once for each interval: lengthens the interval while the table can't hold all
    /// exporters, and shortens it again.
    ///
    /// - Returns: false if nothing is tracked.
    func adjustInterval() throws(KernelError) -> Bool {
        guard let tracked = pool.deployment.trackedExporters else { return false }
        let (traffic, eventsLost) = try tracked.untrackedCounts()
        pace.look(
            SamplingPace.Pressure(
                evicted: try tracked.allocated().evicted, untrackedRuns: traffic.runs, eventsLost: eventsLost))
        return true
    }

    /// Forgets which exporters had their last collector in these slots. Their counts stay.
    func forget(_ slots: Set<Slot>) throws(KernelError) { try pool.deployment.trackedExporters?.forget(slots) }

    /// Adds up the counts of tables of other sizes and removes them.
    func retireTables() throws(PoolError) {
        try pool.maps.retiredCounts.addTables(except: tracking.size, waitForRuns: waitForRuns)
    }
}
